// @ts-check
// The connection: is it well, will it stay well, and everything to configure it again.

/** @import { OrganizationScreen } from '../screen.js' */
/** @import { Tone } from '../widgets.js' */
/** @import { Leftovers } from './leftovers.js' */

/** @typedef {OrganizationScreen & { providers: Api.Provider[] }} ConnectedScreen */
/** @typedef {{ connection: Api.Connection, said: string, health: string }} Shown what the screen shows now */

import {
  alarm, announce, api, badge, button, card, dangerCard, date, dialog, empty, facts, fill, find, h, icon, learnServerTime, link, load, loading,
  meter, note, number, percent, relabel, rich, span, state, submit, t, when,
} from '../screen.js';
import { live } from '../live.js';
import { chart } from './chart.js';
import { credentials, mappings } from './details.js';
import { connectionOf, forget, healthTone } from './frame.js';
import { leftoversCard, leftoversOf } from './leftovers.js';
import { readsCard } from './reads.js';

// Entra's published thresholds (Microsoft: "Quarantine status"): evaluation from 5,000 failures, then more than 40 % of the events.
const QUARANTINE_SHARE = 0.4;
const QUARANTINE_FROM = 5000;

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function connection(content, here) {
  here.title(t('tab.connection'));
  load(content, async () => {
    const tenant = await here.refresh();
    const found = await connectionOf(tenant);
    if (here.signal.aborted) return null;
    if (!found) return unconnected(here);
    if (found.state === 'ended') return ended(found, tenant, await leftoversOf(tenant), here);
    return connected(found, tenant, { ...here, providers: (await api.providers()).identityProviders });
  }, { ...here, lines: 6 });
}

const heading = () => h('h1', t('tab.connection'));

/** @param {OrganizationScreen} here */
function unconnected({ base, tenant }) {
  return [heading(),
    empty(t('connection.none'), t('connection.noneText', { name: tenant.name }), link(t('setup.title'), `${base}/setup`, { kind: 'primary', icon: 'link' }))];
}

/**
 * @param {Api.Connection} found
 * @param {Api.Tenant} tenant
 * @param {Leftovers | null} left
 * @param {OrganizationScreen} here
 */
function ended(found, tenant, left, here) {
  return [
    h('div.head', heading(), link(t('connection.setupAgain'), `${here.base}/setup`, { kind: 'primary', icon: 'link' })),
    card(null, state('quiet', t('connection.ended', { date: found.endedAt && date(found.endedAt) }),
      h('p', tenant.users > 0 ? t('end.staysUsers', { n: tenant.users }) : t('connection.endedEmpty')))),
    left && leftoversCard(left, here),
  ];
}

/**
 * @param {Api.Connection} found
 * @param {Api.Tenant} tenant
 * @param {ConnectedScreen} here
 */
function connected(found, tenant, here) {
  const health = h('div.stack');
  const seats = h('div');
  const bars = chart();
  const keys = h('div');
  /** @type {Shown} */
  const shown = { connection: found, said: '', health: '' };

  live(async () => {
    const activity = await api.activity(here.id);
    if (here.signal.aborted) return;
    learnServerTime(activity.now);
    if (activity.state === 'ended') {
      forget(here.id);
      here.redraw();
      return;
    }
    here.health(activity.state);
    const { now, hours, days, ...mark } = activity;
    if (shown.health !== JSON.stringify(mark)) {
      shown.health = JSON.stringify(mark);
      fill(health, lookalike(activity, found, here), healthOf(activity, here));
      fill(seats, gauge(activity.seats, here));
      if (shown.said && shown.said !== activity.state) announce(t(`state.${activity.state}`), { seen: false });
      shown.said = activity.state;
    }
    bars.update(activity);
  }, here.signal);

  // Two tokens are listed while a rotation runs: watched until the old one is gone.
  let beat = 0;
  live(async () => {
    beat += 1;
    if (shown.connection.tokens.length < 2 && beat % 8 !== 1) return;
    const fresh = await api.connection(here.id);
    shown.connection.tokens = fresh?.tokens ?? [];
    fill(keys, tokenList(shown.connection.tokens));
  }, here.signal);

  fill(health, loading(3));
  fill(keys, tokenList(found.tokens));
  return [
    h('div.head', heading(), found.state === 'started' && link(t('connection.continue'), `${here.base}/setup`, { kind: 'primary', icon: 'right' })),
    h('section.card.hero', { 'aria-label': t('orgs.health') }, health),
    h('div.columns',
      card(t('chart.title'), bars),
      card(t('seats.title'), seats)),
    readsCard(found),
    configuration(shown, keys, here),
    dangerCard(t('end.title'), t('end.hint'), t('end.title'), { onclick: () => endDialog(tenant, here) }),
  ];
}

/**
 * The traffic is another provider's: most likely the wrong one was chosen.
 * @param {Api.Activity} activity
 * @param {Api.Connection} connection
 * @param {ConnectedScreen} here
 */
function lookalike({ looksLike }, { identityProvider }, here) {
  if (!looksLike) return null;
  /** @param {string} id */
  const name = (id) => here.providers.find((one) => one.id === id)?.name ?? id;
  const problem = alarm();
  const go = button(t('lookalike.go', { other: name(looksLike) }));
  go.addEventListener('click', async () => {
    const done = await submit(go, () => api.changeConnection(here.id, { identityProvider: looksLike }), problem.say);
    if (!done) return;
    forget(here.id);
    announce(t('saved'));
    here.redraw();
  });
  return note('warn', h('p', t('lookalike.text', { other: name(looksLike), chosen: name(identityProvider) })), go, problem);
}

/**
 * @param {Api.Activity} activity
 * @param {OrganizationScreen} here
 */
function healthOf(activity, { base }) {
  const { state: health, cycle, quarantine, expectedNextAt, overdueSince } = activity;
  const rhythm = cycle?.seconds && t(cycle.learnt ? 'cycle.learnt' : 'cycle.assumed', { span: span(cycle.seconds) });
  const next = overdueSince ?? expectedNextAt;
  return [
    state(healthTone(health), t(`state.${health}`), h('p', t(`state.${health}Text`)),
      (health === 'failing' || health === 'unauthorized') && h('p', h('a', { href: `${base}/log?outcome=failure` }, t('state.failures')))),
    facts([
      [t('fact.contact'), when(activity.lastContactAt)],
      [t('fact.success'), when(activity.lastSuccessAt)],
      [t('fact.change'), when(activity.lastChangeAt)],
      rhythm && [t(overdueSince ? 'fact.overdue' : 'fact.next'), h('span', next ? when(next) : h('span.muted', t('fact.unknown')), h('span.hint', rhythm))],
    ]),
    health !== 'waiting' && forecast(quarantine, cycle),
  ];
}

/** @type {Record<'none' | 'watch' | 'certain', Tone>} */
const RISKS = { none: 'good', watch: 'warn', certain: 'bad' };

/**
 * What Entra will do if this goes on, before it does it.
 * @param {Api.Activity['quarantine']} quarantine
 * @param {Api.Activity['cycle']} cycle
 */
function forecast(quarantine, cycle) {
  if (!quarantine || !cycle) return null;
  const { risk, reason, share = 0 } = quarantine;
  const tone = RISKS[risk];
  const shares = { share: percent(share), limit: percent(QUARANTINE_SHARE) };
  return h('div.forecast',
    h('div.head', h('h3', t('quarantine.title')), badge(tone, t(`quarantine.${risk}`))),
    cycle.requests > 0 && [meter(tone, share, { role: 'img', 'aria-label': t('quarantine.meter', shares) }, QUARANTINE_SHARE),
      h('p.hint', t('quarantine.cycle', { n: cycle.failures, all: number(cycle.requests), share: percent(share) }))],
    risk !== 'none' && h('p', t(`because.${reason === 'count' || !reason ? 'share' : reason}`)),
    h('p.hint', t('quarantine.rule', { limit: percent(QUARANTINE_SHARE), from: QUARANTINE_FROM })));
}

/**
 * @param {Api.Activity['seats']} seats
 * @param {OrganizationScreen} here
 */
function gauge(seats, { base }) {
  const { used, limit } = seats ?? { used: 0, limit: null };
  const change = h('p', h('a', { href: `${base}/settings`, 'data-key': 'seats' }, t(limit === null ? 'seats.set' : 'seats.change')));
  if (limit === null) return [h('p.figure', number(used)), h('p.hint', t('seats.unlimited')), change];
  const share = limit === 0 ? 1 : used / limit;
  const tone = share >= 1 ? 'bad' : share >= 0.9 ? 'warn' : 'good';
  const values = { 'aria-valuenow': used, 'aria-valuemin': '0', 'aria-valuemax': Math.max(limit, used) };
  return [
    h('p.figure', number(used), h('span.muted', ` / ${number(limit)}`)),
    meter(tone, share, { role: 'meter', 'aria-label': t('seats.title'), ...values, 'aria-valuetext': t('seats.of', { n: used, limit }) }),
    h('p.hint', t('seats.share', { share: percent(share) })),
    tone !== 'good' && note(tone, h('p', share >= 1 ? t('seats.full') : t('seats.near', { n: limit - used }))),
    change];
}

/**
 * @param {Shown} shown
 * @param {HTMLElement} keys
 * @param {OrganizationScreen} here
 */
function configuration(shown, keys, here) {
  const place = h('div.stack', { id: 'configuration', hidden: true });
  const toggle = button(t('details.open'), { icon: 'key', 'aria-expanded': 'false', 'aria-controls': 'configuration' });
  const details = async () => {
    const connection = await api.connection(here.id);
    const { fields } = here.idp.guide;
    return connection && [credentials(connection, fields), h('h3', t('mappings.title')), mappings(connection, fields),
      h('p', h('a', { href: `${here.base}/setup` }, t('details.steps')))];
  };
  /** @param {boolean} open */
  const show = (open) => {
    toggle.setAttribute('aria-expanded', String(open));
    relabel(toggle, t(open ? 'details.close' : 'details.open'));
    place.hidden = !open;
    if (open) load(place, details, here);
    else place.replaceChildren();
  };
  toggle.addEventListener('click', () => show(place.hidden === true));
  const rotate = button(t('rotate.open'), { icon: 'loop', onclick: () => rotateDialog(shown, keys, here, () => show(true)) });
  return card(null, h('div.head', h('div', h('h2', t('details.title')), h('p.hint', t('details.lead'))),
    h('div.row', toggle, rotate)), place, keys);
}

/** @param {Api.Token[]} tokens */
function tokenList(tokens) {
  const rows = [...tokens].reverse();
  return [h('h3', t('tokens.title')), h('ul.tokens', rows.map((token, i) => h('li',
    h('code', `…${token.hint}`),
    rows.length > 1 ? badge(token.endsAt ? 'quiet' : 'good', t(i === 0 ? 'tokens.new' : 'tokens.old')) : null,
    h('span', token.firstUsedAt ? rich('tokens.used', { first: when(token.firstUsedAt), last: when(token.lastUsedAt) }) : t('tokens.unused')),
    token.endsAt && h('span.warn-text', icon('clock'), h('span', rich('tokens.ends', { time: when(token.endsAt) })))))),
  rows.length > 1 && h('p.hint', t(rows[0].firstUsedAt ? 'tokens.arrived' : 'tokens.enter'))];
}

/**
 * @param {Shown} shown
 * @param {HTMLElement} keys
 * @param {OrganizationScreen} here
 * @param {() => void} reveal
 */
function rotateDialog(shown, keys, here, reveal) {
  /** @type {[seconds: number, label: string][]} */
  const choices = [[3600, 'rotate.hour'], [86400, 'rotate.day'], [604800, 'rotate.week'], [0, 'rotate.now']];
  const body = h('div.stack', h('p', t('rotate.text')),
    h('fieldset.choices.small', h('legend', t('rotate.overlap')), choices.map(([seconds, label]) => h('label.choice',
      h('input', { type: 'radio', name: 'overlap', value: String(seconds), checked: seconds === 86400 }), h('span.choice-name', t(label))))));
  dialog({
    title: t('rotate.title'), body, confirm: t('rotate.go'),
    action: async () => {
      const overlap = /** @type {HTMLInputElement | null} */ (find(body, ':checked'));
      const { tokens } = await api.rotate(here.id, Number(overlap?.value));
      shown.connection.tokens = tokens;
      fill(keys, tokenList(tokens));
    },
    onDone: () => {
      announce(t('rotate.done'));
      reveal();
    },
  });
}

/**
 * @param {Api.Tenant} tenant
 * @param {OrganizationScreen} here
 */
function endDialog({ name, users }, here) {
  /** @type {(key: string, items: string[]) => HTMLElement} */
  const points = (key, items) => h('div', h('h3', t(key)), h('ul.plain-list', items.map((text) => h('li', text))));
  dialog({
    title: t('end.title'), kind: 'danger', confirm: t('end.confirm'), typed: name,
    body: [
      points('end.ends', [t('end.endsAccess'), t('end.endsToken')]),
      points('end.stays', [t('end.staysUsers', { n: users }), t('end.staysLog')]),
      h('p.hint', t('end.entra'))],
    action: () => api.endConnection(here.id),
    onDone: () => {
      forget(here.id);
      announce(t('end.done', { name }));
      here.redraw();
    },
  });
}
