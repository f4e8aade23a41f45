// The connection: is it well, will it stay well, and everything to configure it again.

import { api } from '../api.js';
import { fill, h, icon } from '../dom.js';
import { date, learnServerTime, number, percent, rich, span, t, when } from '../i18n.js';
import { live } from '../live.js';
import { announce, badge, button, card, dialog, empty, facts, link, load, note, submit } from '../widgets.js';
import { chart } from './chart.js';
import { credentials, mappings } from './details.js';
import { connectionOf, forget, healthTone } from './frame.js';
import { removeUsersCard } from './leftovers.js';

// Entra's published thresholds (Microsoft: "Quarantine status"): evaluation from 5,000 failures, then more than 40 % of the events.
const QUARANTINE_SHARE = 0.4;
const QUARANTINE_FROM = 5000;

export function connection(content, here) {
  here.title(t('connection.title'));
  load(content, async () => {
    const tenant = await here.refresh();
    const found = await connectionOf(tenant);
    if (here.signal.aborted) return null;
    if (!found) return unconnected(here);
    if (found.state === 'ended') return ended(found, tenant, here);
    return connected(found, tenant, { ...here, providers: (await api.providers()).identityProviders });
  }, { signal: here.signal, lines: 6 });
}

const heading = (text) => h('h1', text);

function unconnected({ base, tenant }) {
  return [heading(t('connection.title')),
    empty(t('connection.none'), t('connection.none.text', { name: tenant.name }), link(t('connection.setup'), `${base}/setup`, { kind: 'primary', icon: 'link' }))];
}

function ended(found, tenant, here) {
  return [
    h('div.head', heading(t('connection.title')), link(t('connection.setup.again'), `${here.base}/setup`, { kind: 'primary', icon: 'link' })),
    card(null, h('div.state.quiet', icon('off', 'big'), h('div', h('h2', t('connection.ended', { date: date(found.endedAt) })),
      h('p', tenant.users > 0 ? t('end.stays.users', { n: tenant.users }) : t('connection.ended.empty'))))),
    tenant.users > 0 && removeUsersCard(tenant, here),
  ];
}

function connected(found, tenant, here) {
  const health = h('div.stack');
  const seats = h('div');
  const bars = chart();
  const keys = h('div');
  const state = { connection: found, said: '' };

  live(async () => {
    const activity = await api.activity(here.id);
    if (here.signal.aborted) return;
    learnServerTime(activity.now);
    if (activity.state === 'ended') { forget(here.id); here.redraw(); return; }
    here.health(activity.state);
    const { now, hours, days, ...mark } = activity;
    if (state.health !== JSON.stringify(mark)) {
      state.health = JSON.stringify(mark);
      fill(health, lookalike(activity, found, here), healthOf(activity, here));
      fill(seats, gauge(activity.seats, here));
      if (state.said && state.said !== activity.state) announce(t(`state.${activity.state}`), { seen: false });
      state.said = activity.state;
    }
    bars.update(activity);
  }, here.signal);

  // Two tokens are listed while a rotation runs: watched until the old one is gone.
  let beat = 0;
  live(async () => {
    beat += 1;
    if (state.connection.tokens.length < 2 && beat % 8 !== 1) return;
    const { tokens } = await api.connection(here.id);
    state.connection.tokens = tokens ?? [];
    fill(keys, tokenList(state.connection.tokens));
  }, here.signal);

  fill(health, h('div.loading', h('i'), h('i'), h('i')));
  fill(keys, tokenList(found.tokens));
  return [
    h('div.head', heading(t('connection.title')), found.state === 'started' && link(t('connection.continue'), `${here.base}/setup`, { kind: 'primary', icon: 'right' })),
    h('section.card.hero', { 'aria-label': t('connection.health') }, health),
    h('div.columns',
      card(t('chart.title'), bars),
      card(t('seats.title'), seats)),
    configuration(state, keys, here),
    h('section.card.danger', h('div.head', h('div', h('h2', t('end.title')), h('p.hint', t('end.hint'))),
      button(t('end.go'), { kind: 'danger', icon: 'trash', onclick: () => endDialog({ ...here, tenant }) }))),
  ];
}

/** The traffic is another provider's: most likely the wrong one was chosen. */
function lookalike({ looksLike }, { identityProvider }, here) {
  if (!looksLike) return null;
  const name = (id) => here.providers.find((one) => one.id === id)?.name ?? id;
  const problem = h('p.field-error', { role: 'alert' });
  const go = button(t('lookalike.go', { other: name(looksLike) }), { onclick: async () => {
    const done = await submit(go, () => api.changeConnection(here.id, { identityProvider: looksLike }), (message) => { problem.textContent = message; });
    if (done) { forget(here.id); announce(t('saved')); here.redraw(); }
  } });
  return note('warn', h('p', t('lookalike.text', { other: name(looksLike), chosen: name(identityProvider) })), go, problem);
}

function healthOf(activity, { base }) {
  const { state, cycle, quarantine, expectedNextAt, overdueSince } = activity;
  const tone = healthTone(state);
  const rhythm = cycle?.seconds && t(cycle.learnt ? 'cycle.learnt' : 'cycle.assumed', { span: span(cycle.seconds) });
  return [
    h('div', { class: `state ${tone}` }, icon({ good: 'ok', bad: 'bad', warn: 'warn', busy: 'clock', quiet: 'off' }[tone], 'big'),
      h('div', h('h2', t(`state.${state}`)), h('p', t(`state.${state}.text`)),
        state === 'failing' || state === 'unauthorized' ? h('p', h('a', { href: `${base}/log?outcome=failure` }, t('state.failures'))) : null)),
    facts([
      [t('fact.contact'), when(activity.lastContactAt)],
      [t('fact.success'), when(activity.lastSuccessAt)],
      [t('fact.change'), when(activity.lastChangeAt)],
      rhythm && [t(overdueSince ? 'fact.overdue' : 'fact.next'), h('span', expectedNextAt || overdueSince ? when(overdueSince ?? expectedNextAt) : h('span.muted', t('fact.unknown')), h('span.hint', rhythm))],
    ]),
    state !== 'waiting' && forecast(quarantine, cycle),
  ];
}

/** What Entra will do if this goes on, before it does it. */
function forecast(quarantine, cycle) {
  if (!quarantine || !cycle) return null;
  const { risk, reason, share = 0 } = quarantine;
  const tone = { none: 'good', watch: 'warn', certain: 'bad' }[risk];
  const meter = h('div', { class: `meter ${tone}`, role: 'img', 'aria-label': t('quarantine.meter', { share: percent(share), limit: percent(QUARANTINE_SHARE) }) }, h('i'), h('b'));
  meter.firstChild.style.width = `${Math.min(100, share * 100)}%`;
  meter.lastChild.style.left = `${QUARANTINE_SHARE * 100}%`;
  return h('div.forecast',
    h('div.head', h('h3', t('quarantine.title')), badge(tone, t(`quarantine.${risk}`))),
    cycle.requests > 0 && [meter, h('p.hint', t('quarantine.cycle', { n: cycle.failures, all: number(cycle.requests), share: percent(share) }))],
    risk !== 'none' && h('p', t(`quarantine.because.${reason === 'count' || !reason ? 'share' : reason}`)),
    h('p.hint', t('quarantine.rule', { limit: percent(QUARANTINE_SHARE), from: QUARANTINE_FROM })));
}

function gauge(seats, { base }) {
  const { used, limit } = seats ?? { used: 0, limit: null };
  const change = h('p', h('a', { href: `${base}/settings`, 'data-key': 'seats' }, t(limit === null ? 'seats.set' : 'seats.change')));
  if (limit === null) return [h('p.figure', number(used)), h('p.hint', t('seats.unlimited')), change];
  const share = limit === 0 ? 1 : used / limit;
  const tone = share >= 1 ? 'bad' : share >= 0.9 ? 'warn' : 'good';
  const meter = h('div', { class: `meter ${tone}`, role: 'meter', 'aria-label': t('seats.title'), 'aria-valuenow': used, 'aria-valuemin': '0', 'aria-valuemax': Math.max(limit, used), 'aria-valuetext': t('seats.of', { n: used, limit }) }, h('i'));
  meter.firstChild.style.width = `${Math.min(100, share * 100)}%`;
  return [
    h('p.figure', number(used), h('span.muted', ` / ${number(limit)}`)),
    meter, h('p.hint', t('seats.share', { share: percent(share) })),
    tone !== 'good' && note(tone, h('p', share >= 1 ? t('seats.full') : t('seats.near', { n: limit - used }))),
    change];
}

function configuration(state, keys, here) {
  const place = h('div.stack', { id: 'configuration', hidden: true });
  const toggle = button(t('details.open'), { icon: 'key', 'aria-expanded': 'false', 'aria-controls': 'configuration' });
  const show = (open) => {
    toggle.setAttribute('aria-expanded', String(open));
    toggle.lastChild.textContent = t(open ? 'details.close' : 'details.open');
    place.hidden = !open;
    if (!open) return place.replaceChildren();
    return load(place, async () => {
      const connection = await api.connection(here.id);
      const { fields } = here.idp.guide;
      return [credentials(connection, fields), h('h3', t('mappings.title')), mappings(connection, fields),
        h('p', h('a', { href: `${here.base}/setup` }, t('details.steps')))];
    }, { signal: here.signal });
  };
  toggle.addEventListener('click', () => show(place.hidden));
  return card(null, h('div.head', h('div', h('h2', t('details.title')), h('p.hint', t('details.lead'))),
    h('div.row', toggle, button(t('rotate.open'), { icon: 'loop', onclick: () => rotateDialog(state, keys, here, () => show(true)) }))), place, keys);
}

function tokenList(tokens) {
  const rows = [...tokens].reverse();
  return [h('h3', t('tokens.title')), h('ul.tokens', rows.map((token, i) => h('li',
    h('code', `…${token.hint}`),
    rows.length > 1 ? badge(token.endsAt ? 'quiet' : 'good', t(i === 0 ? 'tokens.new' : 'tokens.old')) : null,
    h('span', token.firstUsedAt ? rich('tokens.used', { first: when(token.firstUsedAt), last: when(token.lastUsedAt) }) : t('tokens.unused')),
    token.endsAt && h('span.warn-text', icon('clock'), h('span', rich('tokens.ends', { time: when(token.endsAt) })))))),
  rows.length > 1 && h('p.hint', t(rows[0].firstUsedAt ? 'tokens.arrived' : 'tokens.enter'))];
}

function rotateDialog(state, keys, here, reveal) {
  const choices = [[3600, 'rotate.hour'], [86400, 'rotate.day'], [604800, 'rotate.week'], [0, 'rotate.now']];
  const body = h('div.stack', h('p', t('rotate.text')),
    h('fieldset.choices.small', h('legend', t('rotate.overlap')), choices.map(([seconds, label]) => h('label.choice',
      h('input', { type: 'radio', name: 'overlap', value: String(seconds), checked: seconds === 86400 }), h('span.choice-name', t(label))))));
  dialog({
    title: t('rotate.title'), body, confirm: t('rotate.go'),
    action: async () => {
      const { tokens } = await api.rotate(here.id, Number(body.querySelector(':checked').value));
      state.connection.tokens = tokens;
      fill(keys, tokenList(tokens));
    },
    onDone: () => { announce(t('rotate.done')); reveal(); },
  });
}

function endDialog(here) {
  const { name, users } = here.tenant;
  const points = (key, items) => h('div', h('h3', t(key)), h('ul.plain-list', items.map((text) => h('li', text))));
  dialog({
    title: t('end.title'), kind: 'danger', confirm: t('end.confirm'), typed: name,
    body: [
      points('end.ends', [t('end.ends.access'), t('end.ends.token')]),
      points('end.stays', [t('end.stays.users', { n: users }), t('end.stays.log')]),
      h('p.hint', t('end.entra'))],
    action: () => api.endConnection(here.id),
    onDone: () => { forget(here.id); announce(t('end.done', { name })); here.redraw(); },
  });
}
