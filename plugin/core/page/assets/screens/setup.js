// Setup, as the help page tells it: provider, confirmation, the provider's screens one by one, done. What those screens
// are called is data of the provider.

import { ApiError, alarm, announce, api, button, card, clock, fill, form, h, icon, load, note, number, ours, richText, searchField, submit, t, toneIcon } from '../screen.js';
import { guided } from '../guides.js';
import { live } from '../live.js';
import { credentials, mappings } from './details.js';
import { connectionOf, forget } from './frame.js';

const STAGES = ['provider', 'confirm', 'steps'];

export function setup(content, here) {
  here.title(t('setup.title'));
  load(content, async () => {
    const connection = await connectionOf(await here.refresh());
    if (connection && connection.state !== 'ended') return walk(connection, here);
    const { identityProviders } = await api.providers();
    const place = h('div.stack.narrow');
    choose(place, identityProviders, identityProviders[0], here);
    return place;
  }, here);
}

function stages(current, name) {
  return h('ol.stages', { 'aria-label': t('setup.progress') }, STAGES.map((stage, i) => {
    const done = i < STAGES.indexOf(current);
    return h('li', { 'aria-current': stage === current ? 'step' : null, class: done ? 'done' : null },
      h('span.dot', done ? icon('check') : String(i + 1)),
      h('span', name && stage === 'steps' ? name : stage === 'provider' ? t('orgs.provider') : t(`stage.${stage}`), done && h('span.vh', ` ${t('stage.done')}`)));
  }));
}

function choose(place, providers, chosen, here) {
  const problem = alarm();
  const next = button(t('next'), { kind: 'primary', type: 'submit', icon: 'right' });
  const cards = providers.map(({ id, name }) => ({
    id, words: plain(`${name} ${id}`),
    input: h('input', { type: 'radio', name: 'provider', value: id, checked: id === chosen.id }), name,
  }));
  for (const card of cards) card.node = h('label.choice', card.input, h('span.choice-name', card.name, card.id === 'generic' && h('span.hint', t('setup.providerGeneric'))));
  const found = h('p.hint', { role: 'status' });
  const search = searchField(t('setup.search'), '', (text) => {
    const words = text.split(/\s+/).map(plain).filter(Boolean);
    const fits = ({ words: all }) => words.every((word) => all.includes(word));
    const none = !cards.some(fits);
    // Who finds none of the names has a provider that is none of them.
    for (const card of cards) card.node.hidden = !(fits(card) || (none && card.id === 'generic'));
    const shown = cards.filter(({ node }) => !node.hidden);
    // What is chosen can be seen, so that Enter goes on with it.
    if (!shown.some(({ input }) => input.checked)) shown[0].input.checked = true;
    found.textContent = none ? t('setup.searchNone') : words.length > 0 ? t('setup.searchFound', { n: shown.length }) : '';
  });
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    cards.find(({ input }) => input.checked).input.focus();
  });
  const choice = form('stack', async () => {
    const idp = await submit(next, () => guided(choice.elements.provider.value), problem.say);
    if (idp) confirm(place, providers, idp, here);
  },
  cards.length >= SEARCHED_FROM && h('div', search, found),
  h('fieldset.choices.cards', h('legend.vh', t('setup.providerTitle')), cards.map(({ node }) => node)),
  h('p.hint', t('setup.providerHint')), problem, h('div.row', next));
  const heading = h('h1', { tabindex: '-1' }, t('setup.title'));
  fill(place, heading, stages('provider'), h('h2', t('setup.providerTitle')), choice);
  return heading;
}

/** Fewer providers are seen at a glance. */
const SEARCHED_FROM = 8;

/** A name as one types it: without capitals, accents, blanks and signs. */
const plain = (text) => text.normalize('NFKD').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

function confirm(place, providers, chosen, here) {
  const problem = alarm();
  const start = button(t('setup.start'), { kind: 'primary' });
  const groups = h('input', { type: 'checkbox' });
  start.addEventListener('click', async () => {
    problem.say();
    const done = await submit(start, async () => {
      // Somebody else may have started it meanwhile: then there is nothing left to start.
      await api.connect(here.id, chosen.id).catch((error) => { if (!(error instanceof ApiError && error.code === 'already_connected')) throw error; });
      if (groups.checked) await api.changeConnection(here.id, { groups: true });
    }, problem.say);
    if (!done) return;
    forget(here.id);
    here.redraw();
  });
  const heading = h('h2', { tabindex: '-1' }, t('confirm.title'));
  const list = chosen.attributeMappings.map(({ target }) => target).join(', ');
  fill(place, h('h1', t('setup.title')), stages('confirm', chosen.name), heading,
    h('p', t('confirm.lead', { provider: chosen.name, name: here.tenant.name })),
    h('ul.points', ['oneway', 'stored', 'changes', 'secret', 'seats'].map((point) =>
      h('li', h('div', h('b', t(`confirm.${point}`)), h('p', t(`confirm.${point}Text`, { product: here.product.productName, list })))))),
    groupsSwitch(groups), problem,
    h('div.row', start, button(t('back'), { kind: 'quiet', onclick: () => choose(place, providers, chosen, here).focus() })));
  heading.focus();
}

/** A switch for groups with what it means. */
export const groupsSwitch = (input) => h('div', h('label.check', input, h('span', t('groups.switch'))), h('p.hint', t('groups.switchText')));

function walk(connection, here) {
  const { guide, name } = here.idp;
  const steps = checklist(guide.steps.filter(({ groups }) => groups === undefined || groups === connection.groups), connection, here);
  const ear = listener(connection, here, steps.prove);
  return [
    h('h1', t('setup.title')), stages('steps', name),
    h('p.lead', t('setup.lead', { console: ours(guide.console) })),
    h('div.setup',
      h('div.setup-rail.stack', card(t('setup.values'), credentials(connection, guide.fields), note('warn', h('p', t('confirm.secretText')))), ear),
      h('div.setup-steps.stack', steps.node,
        h('div.card.finish', h('div', h('h2', t('setup.finish')), h('p.hint', t('setup.finishHint'))),
          button(t('setup.done'), { kind: 'primary', icon: 'check', onclick: () => { announce(t('setup.saved')); here.go(here.base); } })))),
  ];
}

/** The steps that were ticked off, remembered by this browser until another setup is started. */
function ticks({ startedAt, identityProvider }, { id }) {
  const key = `rollcall.steps.${id}`;
  const setup = `${startedAt} ${identityProvider}`;
  let done = new Set();
  try {
    const kept = JSON.parse(localStorage.getItem(key));
    if (kept?.setup === setup) done = new Set(kept.done);
  } catch { /* Nothing is remembered, the steps work all the same. */ }
  return {
    has: (step) => done.has(step),
    add: (step) => {
      done.add(step);
      try { localStorage.setItem(key, JSON.stringify({ setup, done: [...done] })); } catch { /* As above. */ }
    },
  };
}

/** The steps at the provider: one open, the others a line each; every one can be opened again. */
function checklist(steps, connection, here) {
  const done = ticks(connection, here);
  const undone = (among = steps) => among.find(({ id }) => !done.has(id))?.id ?? null;
  let open = undone();
  const list = h('ol.steps');
  const parts = new Map(steps.map((step, i) => [step.id, part(step, i)]));

  function part(step, i) {
    const id = `step-${step.id}`;
    const dot = h('span.dot', { 'aria-hidden': 'true' });
    const state = h('span.vh');
    const toggle = h('button', { type: 'button', class: 'step-head', 'aria-controls': id, onclick: () => { open = open === step.id ? null : step.id; draw(); } },
      dot, h('span.step-title', h('span.vh', `${t('setup.step', { n: i + 1 })} `), ours(step.title)), state, icon('chevron', 'turn'));
    const body = h('div.step-body.stack', { id },
      h('ol.clicks', ours(step.do).map((line) => h('li', richText(line, { product: here.product.productName })))),
      step.shows === 'mappings' && mappings(connection, here.idp.guide.fields),
      step.hint && h('p.hint', richText(ours(step.hint))),
      h('div.row', button(t(i === steps.length - 1 ? 'setup.stepLast' : 'setup.stepNext'), { icon: 'check', onclick: () => next(step, i) })));
    return { node: h('li', h('h2', toggle), body), toggle, body, dot, state, i };
  }

  const draw = () => {
    for (const [step, { node, toggle, body, dot, state, i }] of parts) {
      const ready = done.has(step);
      toggle.setAttribute('aria-expanded', String(step === open));
      body.hidden = step !== open;
      node.classList.toggle('done', ready);
      node.classList.toggle('open', step === open);
      fill(dot, ready ? icon('check') : String(i + 1));
      state.textContent = ready ? t('stage.done') : '';
    }
  };
  const focus = () => (open ? parts.get(open).toggle : document.querySelector('.finish button')).focus();
  const next = (step, i) => {
    done.add(step.id);
    open = undone(steps.slice(i + 1));
    draw();
    focus();
  };
  // The traffic proves steps: what was seen to work needs no tick by hand. The focus stays where it is.
  const prove = (proof) => {
    const last = steps.findLastIndex((step) => step.proof === proof);
    const proved = steps.slice(0, last + 1).filter(({ id }) => !done.has(id));
    if (proved.length === 0) return;
    const follow = proved.some(({ id }) => id === open);
    proved.forEach(({ id }) => done.add(id));
    const inside = follow && open && parts.get(open).node.contains(document.activeElement);
    if (follow) open = undone();
    draw();
    if (inside) focus();
  };
  list.append(...[...parts.values()].map(({ node }) => node));
  draw();
  return { node: list, prove };
}

/** Listens while the admin works in the other window. */
function listener(connection, here, prove) {
  const face = h('div.ear', { role: 'status' });
  const counts = h('p.hint');
  let heard = '';
  live(async () => {
    const activity = await api.activity(here.id);
    here.health(activity.state);
    const news = whatArrived(activity, connection);
    const { used = 0 } = activity.seats ?? {};
    counts.textContent = used > 0 ? t('listen.users', { n: used }) : '';
    if (news.ok) prove('contact');
    if (news.ok && activity.lastChangeAt >= connection.startedAt) prove('change');
    if (heard === news.key) return;
    heard = news.key;
    face.className = `ear ${news.tone}`;
    fill(face, news.tone === 'busy' ? h('span.pulse', { 'aria-hidden': 'true' }) : toneIcon(news.tone, 'big'),
      h('div', h('b', news.title), h('p', news.text)));
  }, here.signal);
  fill(face, h('span.pulse', { 'aria-hidden': 'true' }), h('div', h('b', t('state.waiting')), h('p', t('listen.waitingText'))));
  face.classList.add('busy');
  return card(t('listen.title'), face, counts, h('p', h('a', { href: `${here.base}/log?probes=1` }, t('listen.log'))));
}

/** The last word counts: a refusal after a success is news again, and so is the success after it. */
function whatArrived({ firstRequest, latestRefusal, lastSuccessAt }, connection) {
  const first = firstRequest?.time >= connection.startedAt ? firstRequest : null;
  const refusedLast = latestRefusal && latestRefusal.time > (lastSuccessAt ?? '') && latestRefusal.time >= connection.startedAt;
  if (refusedLast) {
    const hint = latestRefusal.tokenHint;
    const ours = connection.tokens.at(-1)?.hint ?? '';
    return { key: `bad ${latestRefusal.time}`, tone: 'bad', title: t('listen.refused', { time: clock(latestRefusal.time) }),
      text: hint ? t('listen.token', { hint, ours }) : latestRefusal.status === 401 ? t('listen.notoken') : latestRefusal.detail };
  }
  if (first && first.status < 400) {
    return { key: `ok ${first.time}`, ok: true, tone: 'good', title: t('listen.received', { time: clock(first.time) }), text: t('listen.receivedText') };
  }
  if (first) return { key: `bad ${first.time}`, tone: 'bad', title: t('listen.failed', { time: clock(first.time), status: number(first.status) }), text: first.detail ?? '' };
  return { key: 'waiting', tone: 'busy', title: t('state.waiting'), text: t('listen.waitingText') };
}
