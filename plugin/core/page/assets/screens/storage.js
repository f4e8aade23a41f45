// @ts-check
// The store under all organizations: what it is like, whether it can be relied on, and the test that says so.

/** @import { Screen } from '../screen.js' */

import {
  alarm, announce, api, badge, button, card, crumbs, empty, exact, facts, fill, h, has, load, relabel, state, submit, t, table, when,
} from '../screen.js';

/**
 * @param {HTMLElement} main
 * @param {Screen} here
 */
export function storage(main, here) {
  here.title(t('store.title'));
  const place = h('div.stack');
  const problem = alarm();
  const test = button('', { icon: 'loop' });
  /** @param {Api.Store | null} report */
  const show = (report) => {
    here.tested(report);
    relabel(test, t(report ? 'store.again' : 'store.test'));
    return page(report, test);
  };
  const testNow = async () => {
    const report = await api.testStore();
    if (here.signal.aborted) return;
    fill(place, show(report));
    announce(t(report.usable ? 'store.usable' : 'store.unusable'));
  };
  test.addEventListener('click', () => {
    problem.say();
    submit(test, testNow, problem.say);
  });
  fill(main, h('div.stack', crumbs(t('orgs.title'), '#/organizations', t('crumbs')),
    h('div.head', h('div', h('h1', t('store.title')), h('p.lead', t('store.lead')))), problem, place));
  load(place, async () => show(await api.store()), here);
}

/**
 * @param {Api.Store | null} report
 * @param {HTMLElement} test
 */
function page(report, test) {
  if (!report) return empty(t('store.untested'), t('store.untestedText'), test);
  const { usable, backend, batches, testedAt, version, checks } = report;
  const late = report.guarded ? 'store.guarded' : 'store.unguarded';
  return [
    card(null,
      h('div.head', usable ? state('good', t('store.usable')) : refused(report), test),
      facts([
        [t('store.backend'), backend === 'unknown' ? t('store.backendUnknown') : backend],
        [t('store.batches'), h('span', t(`store.${batches}`), h('span.hint', t(`store.${batches}Text`)))],
        [t('store.late'), h('span', t(late), h('span.hint', t(`${late}Text`, { n: Math.round(report.takeoverMilliseconds / 1000) })))],
        [t('store.tested'), h('span', when(testedAt), h('span.hint', exact(testedAt)))],
        [t('store.version'), version],
      ])),
    card(t('store.checks'), table([t('store.check'), t('store.expected'), t('store.found')], checks.map(({ name, expected, found }) => [
      has(`checks.${name}`) ? t(`checks.${name}`) : name,
      h('span', { lang: 'en' }, expected),
      found === null ? badge('good', t('outcome.success')) : [badge('bad', t('outcome.failure')), ' ', h('span', { lang: 'en' }, found)]])))];
}

/** @param {Api.Store} report */
function refused({ refusal }) {
  return state('bad', t('store.unusable'), h('p', t('store.unusableText')),
    h('p.detail', h('span.hint', t('store.refusal')), h('code.break', { lang: 'en' }, refusal)));
}
