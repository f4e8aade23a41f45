// The store under all organizations: what it is like, whether it can be relied on, and the test that says so.

import { alarm, announce, api, badge, button, card, crumbs, empty, exact, facts, fill, h, has, load, state, submit, t, table, when } from '../screen.js';

export function storage(main, here) {
  here.title(t('store.title'));
  const place = h('div.stack');
  const problem = alarm();
  const test = button('', { icon: 'loop', onclick: () => {
    problem.say();
    submit(test, async () => {
      const report = await api.testStore();
      if (here.signal.aborted) return;
      fill(place, show(report));
      announce(t(report.usable ? 'store.usable' : 'store.unusable'));
    }, problem.say);
  } });
  const show = (report) => {
    here.tested(report);
    test.lastChild.textContent = t(report ? 'store.again' : 'store.test');
    return page(report, test);
  };
  fill(main, h('div.stack', crumbs(t('orgs.title'), '#/organizations', t('crumbs')),
    h('div.head', h('div', h('h1', t('store.title')), h('p.lead', t('store.lead')))), problem, place));
  load(place, async () => show(await api.store()), here);
}

function page(report, test) {
  if (!report) return empty(t('store.untested'), t('store.untestedText'), test);
  const { usable, refusal, backend, batches, testedAt, version, checks } = report;
  return [
    card(null,
      h('div.head', usable ? state('good', t('store.usable'))
        : state('bad', t('store.unusable'), h('p', t('store.unusableText')), h('p.detail', h('span.hint', t('store.refusal')), h('code.break', { lang: 'en' }, refusal))), test),
      facts([
        [t('store.backend'), backend === 'unknown' ? t('store.backendUnknown') : backend],
        [t('store.batches'), h('span', t(`store.${batches}`), h('span.hint', t(`store.${batches}Text`)))],
        [t('store.late'), h('span', t(report.guarded ? 'store.guarded' : 'store.unguarded'), h('span.hint', t(report.guarded ? 'store.guardedText' : 'store.unguardedText', { n: Math.round(report.takeoverMilliseconds / 1000) })))],
        [t('store.tested'), h('span', when(testedAt), h('span.hint', exact(testedAt)))],
        [t('store.version'), version],
      ])),
    card(t('store.checks'), table([t('store.check'), t('store.expected'), t('store.found')], checks.map(({ name, expected, found }) => [
      has(`checks.${name}`) ? t(`checks.${name}`) : name,
      h('span', { lang: 'en' }, expected),
      found === null ? badge('good', t('outcome.success')) : [badge('bad', t('outcome.failure')), ' ', h('span', { lang: 'en' }, found)]])))];
}
