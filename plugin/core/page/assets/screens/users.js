// @ts-check
// The users as they are here.

/** @import { OrganizationScreen } from '../screen.js' */
/** @import { Child } from '../dom.js' */

/** @typedef {'' | 'true' | 'false'} Active which users are listed; all if empty */
/** @typedef {{ search: string, active: Active, start: number }} State */

import { api, badge, button, empty, fill, find, h, load, number, searchField, segments, t, table, when } from '../screen.js';
import { leftoversCard, leftoversOf } from './leftovers.js';

export const PAGE = 50;

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function users(content, here) {
  here.title(t('tab.users'));
  /** @type {State} */
  const state = {
    search: here.query.get('search') ?? '',
    active: /** @type {Active | null} */ (here.query.get('active')) ?? '',
    start: Number(here.query.get('start')) || 1,
  };
  const place = h('div.stack');
  let life = new AbortController();
  /** @type {number | undefined} */
  let typing;

  const apply = () => {
    life.abort();
    life = new AbortController();
    here.keep({ search: state.search, active: state.active, start: state.start > 1 ? String(state.start) : '' });
    return load(place, async () => {
      const query = { startIndex: state.start, count: PAGE, search: state.search.trim(), active: state.active };
      return list(await api.users(here.id, query), state, here, turn);
    }, { signal: life.signal, lines: 8 });
  };
  /** @param {number} start */
  const turn = async (start) => {
    state.start = start;
    await apply();
    window.scrollTo(0, 0);
    find(content, '.summary')?.focus();
  };
  /** @type {(change: Partial<State>, delay: number) => void} */
  const changed = (change, delay) => {
    Object.assign(state, change, { start: 1 });
    clearTimeout(typing);
    typing = setTimeout(apply, delay);
  };
  /** @type {[Active, string][]} */
  const choices = [['', t('log.all')], ['true', t('users.active')], ['false', t('users.disabled')]];

  fill(content, h('div.head', h('h1', t('tab.users')), h('a', { href: `${here.base}/groups` }, t('groups.title'))),
    h('section.filterbar', { 'aria-label': t('log.filters') }, h('div.filters',
      segments(t('users.state'), choices, state.active, (active) => changed({ active }, 0)),
      searchField(t('users.search'), state.search, (search) => changed({ search }, 300)))),
    place);
  apply();
  here.signal.addEventListener('abort', () => life.abort());
  here.refresh().then(leftoversOf).then((left) => {
    if (!here.signal.aborted && left) content.append(leftoversCard(left, here));
  }).catch(() => {});
}

/** @param {boolean} active */
export const activeBadge = (active) => badge(active ? 'good' : 'quiet', t(active ? 'users.active' : 'users.disabled'));

/**
 * @param {Api.Answer<'listUsersOfTenant'>} found
 * @param {State} state
 * @param {OrganizationScreen} here
 * @param {(start: number) => void} turn
 */
function list({ users: found, totalResults }, state, { base }, turn) {
  if (totalResults === 0 && (state.search || state.active)) return empty(t('nothing.found'), t('nothing.foundText'));
  if (totalResults === 0) return empty(t('users.none'), t('users.noneText'));
  return paged('users.range', state.start, found.length, totalResults, turn,
    table(['userName', 'name', 'state', 'changed'].map((column) => t(`users.${column}`)), found.map((user) => [
      h('a', { href: `${base}/users/${encodeURIComponent(user.id)}`, class: 'row-link break' }, user.userName),
      user.displayName ?? h('span.muted', '–'), activeBadge(user.active), when(user.lastModifiedAt)])));
}

/**
 * One page of a list: which part of the whole it is, the table, and how to turn the pages.
 * @param {string} range the key of the message that says which part
 * @param {number} start
 * @param {number} count
 * @param {number} total
 * @param {(start: number) => void} turn
 * @param {Child} rows
 */
export function paged(range, start, count, total, turn, rows) {
  const last = start + count - 1;
  return [
    h('p.summary.hint', { role: 'status', tabindex: '-1' }, t(range, { n: total, from: start, to: last })),
    rows,
    total > PAGE && h('nav.row.center', { 'aria-label': t('users.pages') },
      button(t('users.previous'), { icon: 'left', disabled: start <= 1, onclick: () => turn(Math.max(1, start - PAGE)) }),
      h('span.hint', `${number(Math.ceil(start / PAGE))} / ${number(Math.ceil(total / PAGE))}`),
      button(t('next'), { icon: 'right', kind: 'trailing', disabled: last >= total, onclick: () => turn(start + PAGE) }))];
}
