// @ts-check
// Setup, as the help page tells it: provider, confirmation, the provider's screens one by one, done. What those screens
// are called is data of the provider.

/** @import { OrganizationScreen } from '../screen.js' */
/** @import { Tone } from '../widgets.js' */

import {
  ApiError, alarm, announce, api, button, card, clock, fill, find, form, h, icon, load, note, number, ours, richText, searchField, submit, t, toneIcon,
} from '../screen.js';
import { guided } from '../guides.js';
import { live } from '../live.js';
import { credentials, mappings } from './details.js';
import { connectionOf, forget } from './frame.js';

const STAGES = ['provider', 'confirm', 'steps'];

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
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

/**
 * @param {string} current
 * @param {string} [name] the provider's
 */
function stages(current, name) {
  /** @param {string} stage */
  const words = (stage) => (name && stage === 'steps' ? name : t(stage === 'provider' ? 'orgs.provider' : `stage.${stage}`));
  return h('ol.stages', { 'aria-label': t('setup.progress') }, STAGES.map((stage, i) => {
    const done = i < STAGES.indexOf(current);
    return h('li', { 'aria-current': stage === current ? 'step' : null, class: done ? 'done' : null },
      h('span.dot', done ? icon('check') : String(i + 1)),
      h('span', words(stage), done && h('span.vh', ` ${t('stage.done')}`)));
  }));
}

/**
 * @param {HTMLElement} place
 * @param {Api.Provider[]} providers
 * @param {Api.Provider} chosen
 * @param {OrganizationScreen} here
 */
function choose(place, providers, chosen, here) {
  const problem = alarm();
  const next = button(t('next'), { kind: 'primary', type: 'submit', icon: 'right' });
  const cards = providers.map((provider) => providerCard(provider, provider.id === chosen.id));
  const found = h('p.hint', { role: 'status' });
  const search = searchField(t('setup.search'), '', (text) => { found.textContent = narrow(cards, text); });
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    cards.find(({ input }) => input.checked)?.input.focus();
  });
  const choice = form('stack', async () => {
    const picked = cards.find(({ input }) => input.checked)?.id ?? chosen.id;
    const idp = await submit(next, () => guided(picked), problem.say);
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

/**
 * A provider to choose, and the words by which a search finds it.
 * @param {Api.Provider} provider
 * @param {boolean} checked
 */
function providerCard({ id, name }, checked) {
  const input = h('input', { type: 'radio', name: 'provider', value: id, checked });
  const node = h('label.choice', input, h('span.choice-name', name, id === 'generic' && h('span.hint', t('setup.providerGeneric'))));
  return { id, input, node, words: plain(`${name} ${id}`) };
}

/**
 * Shows the providers that have all words of the search, and gives what to say of it.
 * @param {ReturnType<typeof providerCard>[]} cards
 * @param {string} text
 */
function narrow(cards, text) {
  const words = text.split(/\s+/).map(plain).filter(Boolean);
  /** @param {{ words: string }} card */
  const fits = ({ words: all }) => words.every((word) => all.includes(word));
  const none = !cards.some(fits);
  // Who finds none of the names has a provider that is none of them.
  for (const card of cards) card.node.hidden = !(fits(card) || (none && card.id === 'generic'));
  const shown = cards.filter(({ node }) => !node.hidden);
  // What is chosen can be seen, so that Enter goes on with it.
  if (!shown.some(({ input }) => input.checked)) shown[0].input.checked = true;
  return none ? t('setup.searchNone') : words.length > 0 ? t('setup.searchFound', { n: shown.length }) : '';
}

/**
 * A name as one types it: without capitals, accents, blanks and signs.
 * @param {string} text
 */
const plain = (text) => text.normalize('NFKD').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/**
 * @param {HTMLElement} place
 * @param {Api.Provider[]} providers
 * @param {Api.GuidedProvider} chosen
 * @param {OrganizationScreen} here
 */
function confirm(place, providers, chosen, here) {
  const problem = alarm();
  const start = button(t('setup.start'), { kind: 'primary' });
  const groups = h('input', { type: 'checkbox' });
  start.addEventListener('click', async () => {
    problem.say();
    const done = await submit(start, async () => {
      await api.connect(here.id, chosen.id).catch(unlessConnected);
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

/**
 * Somebody else may have started the connection meanwhile: then there is nothing left to start.
 * @param {unknown} error
 */
function unlessConnected(error) {
  if (!(error instanceof ApiError && error.code === 'already_connected')) throw error;
}

/**
 * A switch for groups with what it means.
 * @param {HTMLInputElement} input
 */
export const groupsSwitch = (input) => h('div', h('label.check', input, h('span', t('groups.switch'))), h('p.hint', t('groups.switchText')));

/**
 * @param {Api.Connection} connection
 * @param {OrganizationScreen} here
 */
function walk(connection, here) {
  const finish = () => {
    announce(t('setup.saved'));
    here.go(here.base);
  };
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
          button(t('setup.done'), { kind: 'primary', icon: 'check', onclick: finish })))),
  ];
}

/**
 * The steps that were ticked off, remembered by this browser until another setup is started.
 * @param {Api.Connection} connection
 * @param {OrganizationScreen} here
 */
function ticks({ startedAt, identityProvider }, { id }) {
  const key = `rollcall.steps.${id}`;
  const setup = `${startedAt} ${identityProvider}`;
  /** @type {Set<string>} */
  let done = new Set();
  try {
    /** @type {{ setup: string, done: string[] } | null} */
    const kept = JSON.parse(localStorage.getItem(key) ?? 'null');
    if (kept?.setup === setup) done = new Set(kept.done);
  } catch { /* Nothing is remembered, the steps work all the same. */ }
  return {
    has: (/** @type {string} */ step) => done.has(step),
    add: (/** @type {string} */ step) => {
      done.add(step);
      try { localStorage.setItem(key, JSON.stringify({ setup, done: [...done] })); } catch { /* As above. */ }
    },
  };
}

/**
 * The steps at the provider: one open, the others a line each; every one can be opened again. `prove` ticks off all steps up
 * to the last one that the traffic shows to be done.
 * @param {Api.Step[]} steps
 * @param {Api.Connection} connection
 * @param {OrganizationScreen} here
 */
function checklist(steps, connection, here) {
  const done = ticks(connection, here);
  const undone = (among = steps) => among.find(({ id }) => !done.has(id))?.id ?? null;
  let open = undone();
  const list = h('ol.steps');
  const parts = new Map(steps.map((step, i) => [step.id, part(step, i)]));

  /**
   * @param {Api.Step} step
   * @param {number} i
   */
  function part(step, i) {
    const id = `step-${step.id}`;
    const dot = h('span.dot', { 'aria-hidden': 'true' });
    const state = h('span.vh');
    const switchStep = () => {
      open = open === step.id ? null : step.id;
      draw();
    };
    const toggle = h('button', { type: 'button', class: 'step-head', 'aria-controls': id, onclick: switchStep },
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
  const shown = () => (open === null ? undefined : parts.get(open));
  const focus = () => (shown()?.toggle ?? find(document, '.finish button'))?.focus();
  /** @type {(step: Api.Step, i: number) => void} */
  const next = (step, i) => {
    done.add(step.id);
    open = undone(steps.slice(i + 1));
    draw();
    focus();
  };
  // The traffic proves steps: what was seen to work needs no tick by hand. The focus stays where it is.
  /** @param {Api.Step['proof']} proof */
  const prove = (proof) => {
    const last = steps.findLastIndex((step) => step.proof === proof);
    const proved = steps.slice(0, last + 1).filter(({ id }) => !done.has(id));
    if (proved.length === 0) return;
    const follow = proved.some(({ id }) => id === open);
    proved.forEach(({ id }) => done.add(id));
    const inside = follow && shown()?.node.contains(document.activeElement);
    if (follow) open = undone();
    draw();
    if (inside) focus();
  };
  list.append(...[...parts.values()].map(({ node }) => node));
  draw();
  return { node: list, prove };
}

/**
 * Listens while the admin works in the other window.
 * @param {Api.Connection} connection
 * @param {OrganizationScreen} here
 * @param {(proof: 'contact' | 'change') => void} prove
 */
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
    if (news.ok && since(activity.lastChangeAt, connection)) prove('change');
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

/**
 * Whether a moment is one of this connection and not of one before it.
 * @param {string | null | undefined} time
 * @param {Api.Connection} connection
 */
const since = (time, { startedAt = '' }) => Boolean(time) && String(time) >= startedAt;

/**
 * What the admin is to see of the traffic; `key` tells one piece of news from another.
 * @typedef {{ key: string, ok?: boolean, tone: Tone, title: string, text: string }} News
 */

/**
 * The last word counts: a refusal after a success is news again, and so is the success after it.
 * @param {Api.Activity} activity
 * @param {Api.Connection} connection
 * @returns {News}
 */
function whatArrived({ firstRequest, latestRefusal, lastSuccessAt }, connection) {
  const first = since(firstRequest?.time, connection) ? firstRequest : null;
  if (latestRefusal && latestRefusal.time > (lastSuccessAt ?? '') && since(latestRefusal.time, connection)) {
    const { time, status, detail, tokenHint: hint } = latestRefusal;
    const ours = connection.tokens.at(-1)?.hint ?? '';
    return { key: `bad ${time}`, tone: 'bad', title: t('listen.refused', { time: clock(time) }),
      text: hint ? t('listen.token', { hint, ours }) : status === 401 ? t('listen.notoken') : detail ?? '' };
  }
  if (first && first.status < 400) {
    return { key: `ok ${first.time}`, ok: true, tone: 'good', title: t('listen.received', { time: clock(first.time) }), text: t('listen.receivedText') };
  }
  if (first) {
    const title = t('listen.failed', { time: clock(first.time), status: number(first.status) });
    return { key: `bad ${first.time}`, tone: 'bad', title, text: first.detail ?? '' };
  }
  return { key: 'waiting', tone: 'busy', title: t('state.waiting'), text: t('listen.waitingText') };
}
