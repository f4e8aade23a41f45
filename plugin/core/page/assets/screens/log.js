// @ts-check
// The synchronization log: newest first, live, filtered; paging by record number stays right while records arrive.

/** @import { Options } from '../widgets.js' */
/** @import { OrganizationScreen } from '../screen.js' */

import {
  alarm, api, button, date, empty, field, fill, find, h, icon, link, load, milliseconds, now, searchField, segments, select, submit, t, tool, when,
} from '../screen.js';
import { live } from '../live.js';
import { OPERATIONS, sentence } from '../reading.js';

const PAGE = 50;
/** @type {Options} */
const STATUSES = ['200', '201', '204', '400', '401', '403', '404', '409', '412', '413', '429', '500', '503'].map((status) => [status, status]);
/** @type {Record<string, number>} */
const RANGES = { hour: 3600, day: 86400, week: 604800, month: 2592000 };
const KEPT = /** @type {const} */ (['outcome', 'kind', 'operation', 'status', 'range', 'from', 'to', 'search', 'probes', 'user', 'name']);

/** @typedef {typeof KEPT[number]} FilterName */
/** @typedef {Record<FilterName, string>} Filters */
/** @typedef {(name: FilterName, value: string, how?: { later?: boolean }) => void} Changed `later` after a moment without another change */

/**
 * The filters that stand behind *More filters*.
 * @type {FilterName[]}
 */
const MORE = ['kind', 'operation', 'status', 'range', 'probes'];

/** @type {Map<string, string>} */
const lastHash = new Map();

/**
 * Where "back to the log" leads from a record: to the filters that were set.
 * @param {string} id
 * @param {string} base
 */
export const logHash = (id, base) => lastHash.get(id) ?? `${base}/log`;

/**
 * The log of one user or group.
 * @param {string} base
 * @param {string} user
 * @param {string} name
 */
export const logOf = (base, user, name) => `${base}/log?${new URLSearchParams({ user, name })}`;

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function log(content, here) {
  here.title(t('log.title'));
  const filters = /** @type {Filters} */ (Object.fromEntries(KEPT.map((name) => [name, here.query.get(name) ?? ''])));
  const place = h('div.stack');
  const exports = h('div.row.tight');
  let life = new AbortController();
  here.signal.addEventListener('abort', () => life.abort());

  const apply = () => {
    life.abort();
    life = new AbortController();
    here.keep(filters);
    lastHash.set(here.id, location.hash);
    fill(exports, ['csv', 'ndjson'].map((format) => exportLink(here.id, format, filters)));
    stream(place, here, filters, life.signal);
  };
  /** @type {number | undefined} */
  let typing;
  /** @type {Changed} */
  const changed = (name, value, { later = false } = {}) => {
    filters[name] = value;
    clearTimeout(typing);
    typing = setTimeout(apply, later ? 300 : 0);
  };

  fill(content, h('div.head', h('h1', t('log.title')), exports), filterBar(filters, changed, here), place);
  apply();
}

/**
 * @param {string} id
 * @param {string} format
 * @param {Filters} filters
 */
function exportLink(id, format, filters) {
  const name = format.toUpperCase();
  return link(name, api.exportUrl(id, format, asked(filters)),
    { icon: 'down', kind: 'small', download: '', 'aria-label': t('log.export', { format: name }) });
}

/**
 * The filters as the API asks for them.
 * @param {Filters} filters
 */
function asked({ range, from, to, name, probes, ...rest }) {
  /** @param {string} local */
  const iso = (local) => (local ? new Date(local).toISOString() : '');
  return { ...rest, probes: probes ? 'true' : 'false',
    from: range === 'custom' ? iso(from) : RANGES[range] ? new Date(now() - RANGES[range] * 1000).toISOString() : '',
    to: range === 'custom' ? iso(to) : '' };
}

/**
 * @param {Filters} filters
 * @param {Changed} changed
 * @param {OrganizationScreen} here
 */
function filterBar(filters, changed, here) {
  /** @type {[string, string][]} */
  const outcomes = [['', t('log.all')], ['success', t('outcome.success')], ['failure', t('outcome.failure')]];
  const chip = filters.user && h('div.chip', icon('user'), h('span', t('log.user', { name: filters.name || filters.user })),
    tool(t('log.userClear'), 'bad', { onclick: () => here.go(`${here.base}/log`) }));
  return h('section.filterbar.stack.tight', { 'aria-label': t('log.filters') },
    h('div.filters',
      segments(t('log.outcome'), outcomes, filters.outcome, (value) => changed('outcome', value)),
      searchField(t('log.search'), filters.search, (words) => changed('search', words, { later: true })), chip),
    moreFilters(filters, changed));
}

/**
 * @param {Filters} filters
 * @param {Changed} changed
 */
function moreFilters(filters, changed) {
  /** @param {'from' | 'to'} name */
  const moment = (name) => field(t(`log.${name}`),
    h('input', { type: 'datetime-local', step: 1, value: filters[name], onchange: (event) => changed(name, event.currentTarget.value) }));
  const custom = h('div.row', { hidden: filters.range !== 'custom' }, moment('from'), moment('to'));
  /** @type {(name: FilterName, value: string) => void} */
  const picked = (name, value) => {
    if (name === 'range') custom.hidden = value !== 'custom';
    changed(name, value);
  };
  /** @type {(name: FilterName, options: Options) => HTMLElement} */
  const pick = (name, options) => field(t(`log.${name}`),
    select(options, filters[name], { onchange: (event) => picked(name, event.currentTarget.value) }));
  const probes = h('input', {
    type: 'checkbox', checked: Boolean(filters.probes), onchange: (event) => changed('probes', event.currentTarget.checked ? '1' : ''),
  });
  return h('details.more', { open: MORE.some((name) => filters[name]) },
    h('summary', icon('chevron', 'turn'), h('span', t('log.more'))),
    h('div.filter-grid',
      pick('kind', [['', t('kind.all')], ...worded('kind', ['change', 'read'])]),
      pick('operation', [['', t('log.all')], ...worded('operation', OPERATIONS)]),
      pick('status', [['', t('log.all')], ...STATUSES]),
      pick('range', [['', t('range.all')], ...worded('range', [...Object.keys(RANGES), 'custom'])]),
      h('label.check', probes, h('span', t('log.probes')))),
    custom);
}

/**
 * Values with their words in a group of messages.
 * @param {string} group
 * @param {string[]} values
 * @returns {Options}
 */
const worded = (group, values) => values.map((value) => [value, t(`${group}.${value}`)]);

/**
 * What a list shows: `records`, `waiting` records that came meanwhile and are shown when asked for, whether more of them may
 * be missing (`gap`), and where older records go on (`next`).
 * @typedef {{ records: Api.RecordRow[], waiting: Api.RecordRow[], gap: boolean, next: number | null, paused: boolean }} State
 */

/**
 * One list with one set of filters: its first page, its older pages, its news.
 * @param {HTMLElement} place
 * @param {OrganizationScreen} here
 * @param {Filters} filters
 * @param {AbortSignal} signal
 */
function stream(place, here, filters, signal) {
  const list = h('div.log');
  const older = h('div.row.center');
  const fresh = h('div.fresh', { role: 'status' });
  /** @type {State} */
  const state = { records: [], waiting: [], gap: false, next: null, paused: false };
  const none = KEPT.some((name) => filters[name]) ? empty(t('nothing.found'), t('log.noneFiltered')) : empty(t('log.none'), t('log.noneText'));

  /** @param {number | null} [before] */
  const ask = (before) => api.requests(here.id, { ...asked(filters), limit: PAGE, before });
  const loadOlder = async () => {
    const { requests, next } = await ask(state.next);
    const first = list.querySelectorAll('li').length;
    state.records.push(...requests);
    state.next = next;
    draw();
    // The focus goes on where the reader was.
    const begun = list.querySelectorAll('li')[first];
    if (begun) find(begun, 'a')?.focus();
  };
  const draw = () => {
    fill(list, state.records.length > 0 ? days(state.records, here) : none);
    fill(older, state.next !== null ? olderButton(loadOlder) : state.records.length > PAGE / 2 && h('p.hint', t('log.end')));
  };
  const drawFresh = () => {
    const n = state.waiting.length;
    fill(fresh, n > 0 && button(t(state.gap ? 'log.newMany' : 'log.new', { n }), { kind: 'primary small', 'data-key': 'fresh', onclick: take }));
  };
  const take = () => {
    if (state.gap) {
      begin();
      return;
    }
    state.records.unshift(...state.waiting.splice(0));
    drawFresh();
    draw();
    window.scrollTo({ top: 0 });
    find(list, 'li a')?.focus({ preventScroll: true });
  };

  const listen = async () => {
    if (state.paused) return;
    const { requests } = await ask();
    if (signal.aborted) return;
    const top = state.waiting[0]?.number ?? state.records[0]?.number ?? 0;
    const news = requests.filter((record) => record.number > top);
    if (news.length === 0) return;
    // A full page of news may hide more between it and the known ones: then the list begins anew when asked.
    state.gap ||= news.length === PAGE;
    state.waiting.unshift(...news);
    const reading = window.scrollY > 160 || list.contains(document.activeElement);
    if (reading || state.gap) {
      drawFresh();
      return;
    }
    state.records.unshift(...state.waiting.splice(0));
    draw();
    for (const node of [...list.querySelectorAll('li')].slice(0, news.length)) node.classList.add('arrived');
  };

  const begin = () => load(place, async () => {
    const { requests, next } = await ask();
    Object.assign(state, { records: requests, waiting: [], gap: false, next });
    drawFresh();
    draw();
    return [h('div.livebar', pause(state), fresh), list, older];
  }, { signal, lines: 8 });

  begin().then(() => { if (!signal.aborted) live(listen, signal); });
}

/** @param {() => Promise<void>} loadOlder */
function olderButton(loadOlder) {
  const problem = alarm();
  const go = button(t('log.older'), { 'data-key': 'older' });
  go.addEventListener('click', () => submit(go, loadOlder, problem.say));
  return [go, problem];
}

/**
 * The records under the day on which they came.
 * @param {Api.RecordRow[]} records
 * @param {OrganizationScreen} here
 */
function days(records, here) {
  /** @type {{ day: string, members: HTMLElement[] }[]} */
  const groups = [];
  for (const record of records) {
    const day = date(record.time);
    if (groups.at(-1)?.day !== day) groups.push({ day, members: [] });
    groups.at(-1)?.members.push(row(record, here));
  }
  return groups.map(({ day, members }) => h('section', h('h2.day', day), h('ul.rows', members)));
}

/**
 * Moving content can be stopped (WCAG 2.2.2).
 * @param {State} state
 */
function pause(state) {
  const node = button('', { kind: 'small', 'data-key': 'pause' });
  const words = h('span.livestate');
  const draw = () => {
    fill(node, icon(state.paused ? 'play' : 'pause'), h('span', t(state.paused ? 'log.resume' : 'log.pause')));
    words.classList.toggle('off', state.paused);
    fill(words, h('i', { 'aria-hidden': 'true' }), t(state.paused ? 'log.paused' : 'log.live'));
  };
  node.addEventListener('click', () => {
    state.paused = !state.paused;
    draw();
  });
  draw();
  return h('div.row.tight', words, node);
}

/**
 * One record as a line: icon and word for the outcome, the sentence, time, status, duration.
 * @param {Api.RecordRow} record
 * @param {{ base: string }} here
 */
export function row(record, { base }) {
  const failed = record.outcome !== 'success';
  const tone = failed ? 'bad' : record.kind === 'change' && record.changed !== false ? 'good' : 'quiet';
  const outcome = failed ? 'failure' : 'success';
  return h('li', { class: tone },
    h('span.mark-cell', icon(failed ? 'bad' : tone === 'good' ? 'ok' : 'off'), h('span.vh', t(`outcome.${outcome}`))),
    h('a', { href: `${base}/log/${record.number}`, class: 'sentence', 'data-key': `record-${record.number}` }, sentence(record)),
    h('span.row-facts', when(record.time, { withClock: true }),
      h('span.status', { title: t('log.status') }, h('span.vh', `${t('log.status')} `), String(record.status)),
      h('span.duration', { title: t('record.duration') }, milliseconds(record.durationUs))));
}
