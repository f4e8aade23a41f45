// The users as they are here.

import { api } from '../api.js';
import { fill, h, icon } from '../dom.js';
import { number, t, when } from '../i18n.js';
import { badge, button, columns, empty, field, load, segments } from '../widgets.js';
import { removeUsersCard } from './leftovers.js';

export const PAGE = 50;

export function users(content, here) {
  here.title(t('users.title'));
  const state = { search: here.query.get('search') ?? '', active: here.query.get('active') ?? '', start: Number(here.query.get('start')) || 1 };
  const place = h('div.stack');
  let life = new AbortController();
  let typing;

  const apply = () => {
    life.abort();
    life = new AbortController();
    here.keep({ search: state.search, active: state.active, start: state.start > 1 ? String(state.start) : '' });
    return load(place, async () => list(await api.users(here.id, { startIndex: state.start, count: PAGE, search: state.search.trim(), active: state.active }), state, here, turn), { signal: life.signal, lines: 8 });
  };
  const turn = async (start) => { state.start = start; await apply(); window.scrollTo(0, 0); content.querySelector('.summary')?.focus(); };
  const changed = (change, delay) => { Object.assign(state, change, { start: 1 }); clearTimeout(typing); typing = setTimeout(apply, delay); };

  const find = h('input', { type: 'search', value: state.search, placeholder: t('users.search'), oninput: (event) => changed({ search: event.target.value }, 300) });
  fill(content, h('div.head', h('h1', t('users.title')), h('a', { href: `${here.base}/groups` }, t('groups.title'))),
    h('section.filterbar', { 'aria-label': t('log.filters') }, h('div.filters',
      segments(t('users.state'), [['', t('users.all')], ['true', t('users.active')], ['false', t('users.disabled')]], state.active, (active) => changed({ active }, 0)),
      h('div.search', icon('search'), field(t('users.search'), find, { quietLabel: true })))),
    place);
  apply();
  here.signal.addEventListener('abort', () => life.abort());
  here.refresh().then((tenant) => {
    if (!here.signal.aborted && tenant.connection?.state === 'ended' && tenant.users > 0) content.append(removeUsersCard(tenant, here));
  }).catch(() => {});
}

export const activeBadge = (active) => badge(active ? 'good' : 'quiet', t(active ? 'users.is.active' : 'users.is.disabled'));

function list({ users: found, totalResults }, state, { base }, turn) {
  if (totalResults === 0) return state.search || state.active ? empty(t('nothing.found'), t('nothing.found.text')) : empty(t('users.none'), t('users.none.text'));
  const last = state.start + found.length - 1;
  const cell = (column, ...value) => h('td', { 'data-label': t(`users.${column}`) }, h('span.break', value));
  return [
    h('p.summary.hint', { role: 'status', tabindex: '-1' }, t('users.range', { n: totalResults, from: state.start, to: last })),
    h('table.table.cards',
      columns(...['userName', 'name', 'state', 'changed'].map((column) => t(`users.${column}`))),
      h('tbody', found.map((user) => h('tr',
        h('th', { scope: 'row' }, h('a', { href: `${base}/users/${encodeURIComponent(user.id)}`, class: 'row-link break' }, user.userName)),
        cell('name', user.displayName ?? h('span.muted', '–')),
        cell('state', activeBadge(user.active)),
        cell('changed', when(user.lastModifiedAt)))))),
    pages(state.start, last, totalResults, turn)];
}

/** Turns the pages of a list. */
export const pages = (start, last, total, turn) => total > PAGE && h('nav.row.center', { 'aria-label': t('users.pages') },
  button(t('users.previous'), { icon: 'left', disabled: start <= 1, onclick: () => turn(Math.max(1, start - PAGE)) }),
  h('span.hint', `${number(Math.ceil(start / PAGE))} / ${number(Math.ceil(total / PAGE))}`),
  button(t('users.next'), { icon: 'right', kind: 'trailing', disabled: last >= total, onclick: () => turn(start + PAGE) }));
