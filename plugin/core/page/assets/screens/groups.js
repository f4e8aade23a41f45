// The groups as they are here.

import { api } from '../api.js';
import { fill, h } from '../dom.js';
import { number, t, when } from '../i18n.js';
import { columns, empty, link, load } from '../widgets.js';
import { PAGE, pages } from './users.js';
import { connectionOf } from './frame.js';

export function groups(content, here) {
  here.title(t('groups.title'));
  const place = h('div.stack');
  const show = (start) => load(place, async () => list(await api.groups(here.id, { startIndex: start, count: PAGE }), await connectionOf(here.tenant), start, here, turn), { signal: here.signal, lines: 8 });
  const turn = async (start) => { await show(start); window.scrollTo(0, 0); content.querySelector('.summary')?.focus(); };
  fill(content, h('div.head', h('h1', t('groups.title')), h('a', { href: `${here.base}/users` }, t('users.title'))), place);
  show(1);
}

function list({ groups: found, totalResults }, connection, start, { base }, turn) {
  if (totalResults === 0 && !connection?.groups) return empty(t('groups.off'), null, link(t('groups.off.go'), `${base}/settings`));
  if (totalResults === 0) return empty(t('groups.none'), t('groups.none.text'));
  const last = start + found.length - 1;
  return [
    h('p.summary.hint', { role: 'status', tabindex: '-1' }, t('groups.range', { n: totalResults, from: start, to: last })),
    h('table.table.cards',
      columns(t('users.name'), `#${t('groups.members')}`, t('users.changed')),
      h('tbody', found.map((group) => h('tr',
        h('th', { scope: 'row' }, h('a', { href: `${base}/log?${new URLSearchParams({ user: group.id, name: group.displayName })}`, class: 'row-link break' }, group.displayName)),
        h('td.num', { 'data-label': t('groups.members') }, number(group.members)),
        h('td', { 'data-label': t('users.changed') }, when(group.lastModifiedAt)))))),
    pages(start, last, totalResults, turn)];
}
