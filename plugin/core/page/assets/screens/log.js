// The synchronization log: newest first, live, filtered; paging by record number stays right while records arrive.

import { alarm, api, button, date, empty, field, fill, h, icon, link, load, milliseconds, now, searchField, segments, select, submit, t, tool, when } from '../screen.js';
import { live } from '../live.js';
import { OPERATIONS, sentence } from '../reading.js';

const PAGE = 50;
const STATUSES = ['200', '201', '204', '400', '401', '403', '404', '409', '412', '413', '429', '500', '503'];
const RANGES = { hour: 3600, day: 86400, week: 604800, month: 2592000 };
const KEPT = ['outcome', 'kind', 'operation', 'status', 'range', 'from', 'to', 'search', 'probes', 'user', 'name'];

// Where "back to the log" leads from a record: to the same filters.
const lastHash = new Map();
export const logHash = (id, base) => lastHash.get(id) ?? `${base}/log`;

/** The log of one user or group. */
export const logOf = (base, user, name) => `${base}/log?${new URLSearchParams({ user, name })}`;

export function log(content, here) {
  here.title(t('log.title'));
  const filters = Object.fromEntries(KEPT.map((name) => [name, here.query.get(name) ?? '']));
  const place = h('div.stack');
  const exports = h('div.row.tight');
  let life;

  const apply = () => {
    life?.abort();
    life = new AbortController();
    here.signal.addEventListener('abort', () => life.abort(), { once: true });
    here.keep(filters);
    lastHash.set(here.id, location.hash);
    fill(exports, ['csv', 'ndjson'].map((format) => link(format.toUpperCase(), api.exportUrl(here.id, format, asked(filters)), { icon: 'down', kind: 'small', download: '', 'aria-label': t('log.export', { format: format.toUpperCase() }) })));
    stream(place, here, filters, life.signal);
  };
  let typing;
  const changed = (name, value, { later = false } = {}) => {
    filters[name] = value;
    clearTimeout(typing);
    typing = setTimeout(apply, later ? 300 : 0);
  };

  fill(content, h('div.head', h('h1', t('log.title')), exports), filterBar(filters, changed, here), place);
  apply();
}

/** The filters as the API asks for them. */
function asked({ range, from, to, name, probes, ...rest }) {
  const iso = (local) => (local ? new Date(local).toISOString() : '');
  return { ...rest, probes: probes ? 'true' : 'false',
    from: range === 'custom' ? iso(from) : RANGES[range] ? new Date(now() - RANGES[range] * 1000).toISOString() : '',
    to: range === 'custom' ? iso(to) : '' };
}

function filterBar(filters, changed, here) {
  const moment = (name) => field(t(`log.${name}`), h('input', { type: 'datetime-local', step: 1, value: filters[name], onchange: (event) => changed(name, event.target.value) }));
  const custom = h('div.row', { hidden: filters.range !== 'custom' }, moment('from'), moment('to'));
  const pick = (name, any, values, words) => field(t(`log.${name}`), select([['', any], ...values.map((value) => [value, words(value)])], filters[name],
    { onchange: ({ target: { value } }) => { if (name === 'range') custom.hidden = value !== 'custom'; changed(name, value); } }));
  const more = h('details.more', { open: ['kind', 'operation', 'status', 'range', 'probes'].some((name) => filters[name]) },
    h('summary', icon('chevron', 'turn'), h('span', t('log.more'))),
    h('div.filter-grid',
      pick('kind', t('kind.all'), ['change', 'read'], (value) => t(`kind.${value}`)),
      pick('operation', t('log.all'), OPERATIONS, (value) => t(`operation.${value}`)),
      pick('status', t('log.all'), STATUSES, String),
      pick('range', t('range.all'), [...Object.keys(RANGES), 'custom'], (value) => t(`range.${value}`)),
      h('label.check', h('input', { type: 'checkbox', checked: Boolean(filters.probes), onchange: (event) => changed('probes', event.target.checked ? '1' : '') }), h('span', t('log.probes')))),
    custom);
  const chip = filters.user && h('div.chip', icon('user'), h('span', t('log.user', { name: filters.name || filters.user })),
    tool(t('log.userClear'), 'bad', { onclick: () => here.go(`${here.base}/log`) }));
  return h('section.filterbar.stack.tight', { 'aria-label': t('log.filters') },
    h('div.filters',
      segments(t('log.outcome'), [['', t('log.all')], ['success', t('outcome.success')], ['failure', t('outcome.failure')]], filters.outcome, (value) => changed('outcome', value)),
      searchField(t('log.search'), filters.search, (words) => changed('search', words, { later: true })), chip),
    more);
}

/** One list with one set of filters: its first page, its older pages, its news. */
function stream(place, here, filters, signal) {
  const list = h('div.log');
  const older = h('div.row.center');
  const fresh = h('div.fresh', { role: 'status' });
  const state = { records: [], waiting: [], gap: false, next: null, paused: false };
  const filtered = KEPT.some((name) => filters[name]);

  const ask = (before) => api.requests(here.id, { ...asked(filters), limit: PAGE, before });
  const drawOlder = () => {
    const go = button(t('log.older'), { 'data-key': 'older' });
    const problem = alarm();
    go.addEventListener('click', () => submit(go, async () => {
      const { requests, next } = await ask(state.next);
      const first = list.querySelectorAll('li').length;
      state.records.push(...requests);
      state.next = next;
      draw();
      // The focus goes on where the reader was.
      list.querySelectorAll('li a')[first]?.focus();
    }, problem.say));
    fill(older, state.next !== null && state.next !== undefined ? [go, problem] : state.records.length > PAGE / 2 && h('p.hint', t('log.end')));
  };
  const draw = () => { rows(list, state.records); drawOlder(); };
  const drawFresh = () => {
    const n = state.waiting.length;
    fill(fresh, n > 0 && button(state.gap ? t('log.newMany', { n }) : t('log.new', { n }), { kind: 'primary small', 'data-key': 'fresh', onclick: take }));
  };
  const take = () => {
    if (state.gap) return begin();
    state.records.unshift(...state.waiting.splice(0));
    drawFresh();
    draw();
    window.scrollTo({ top: 0 });
    list.querySelector('li a')?.focus({ preventScroll: true });
    return undefined;
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
    if (reading || state.gap) return void drawFresh();
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

  function rows(into, records) {
    if (records.length === 0) return fill(into, filtered ? empty(t('nothing.found'), t('log.noneFiltered')) : empty(t('log.none'), t('log.noneText')));
    let last = '';
    const groups = [];
    for (const record of records) {
      const day = date(record.time);
      if (day !== last) groups.push([day, []]);
      last = day;
      groups.at(-1)[1].push(record);
    }
    return fill(into, groups.map(([day, members]) => h('section', h('h2.day', day), h('ul.rows', members.map((record) => row(record, here))))));
  }
}

/** Moving content can be stopped (WCAG 2.2.2). */
function pause(state) {
  const node = button('', { kind: 'small', 'data-key': 'pause' });
  const words = h('span.livestate');
  const draw = () => {
    fill(node, icon(state.paused ? 'play' : 'pause'), h('span', t(state.paused ? 'log.resume' : 'log.pause')));
    words.classList.toggle('off', state.paused);
    fill(words, h('i', { 'aria-hidden': 'true' }), t(state.paused ? 'log.paused' : 'log.live'));
  };
  node.addEventListener('click', () => { state.paused = !state.paused; draw(); });
  draw();
  return h('div.row.tight', words, node);
}

/** One record as a line: icon and word for the outcome, the sentence, time, status, duration. */
export function row(record, { base }) {
  const failed = record.outcome !== 'success';
  const tone = failed ? 'bad' : record.kind === 'change' && record.changed !== false ? 'good' : 'quiet';
  return h('li', { class: tone },
    h('span.mark-cell', icon(failed ? 'bad' : tone === 'good' ? 'ok' : 'off'), h('span.vh', t(`outcome.${failed ? 'failure' : 'success'}`))),
    h('a', { href: `${base}/log/${record.number}`, class: 'sentence', 'data-key': `record-${record.number}` }, sentence(record)),
    h('span.row-facts', when(record.time, { withClock: true }),
      h('span.status', { title: t('log.status') }, h('span.vh', `${t('log.status')} `), String(record.status)),
      h('span.duration', { title: t('record.duration') }, milliseconds(record.durationUs))));
}
