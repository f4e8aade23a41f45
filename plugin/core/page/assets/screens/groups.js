// The groups as they are here.

import { api, empty, fill, h, link, load, number, t, table, when } from '../screen.js';
import { PAGE, paged } from './users.js';
import { connectionOf } from './frame.js';
import { logOf } from './log.js';

export function groups(content, here) {
  here.title(t('groups.title'));
  const place = h('div.stack');
  const show = (start) => load(place, async () => list(await api.groups(here.id, { startIndex: start, count: PAGE }), await connectionOf(here.tenant), start, here, turn), { ...here, lines: 8 });
  const turn = async (start) => { await show(start); window.scrollTo(0, 0); content.querySelector('.summary')?.focus(); };
  fill(content, h('div.head', h('h1', t('groups.title')), h('a', { href: `${here.base}/users` }, t('tab.users'))), place);
  show(1);
}

function list({ groups: found, totalResults }, connection, start, { base }, turn) {
  if (totalResults === 0 && !connection?.groups) return empty(t('groups.off'), null, link(t('groups.offGo'), `${base}/settings`));
  if (totalResults === 0) return empty(t('groups.none'), t('groups.noneText'));
  return paged('groups.range', start, found.length, totalResults, turn,
    table([t('users.name'), `#${t('groups.members')}`, t('users.changed')], found.map(({ id, displayName, members, lastModifiedAt }) => [
      h('a', { href: logOf(base, id, displayName), class: 'row-link break' }, displayName), number(members), when(lastModifiedAt)])));
}
