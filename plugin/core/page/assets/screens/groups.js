// @ts-check
// The groups as they are here.

/** @import { OrganizationScreen } from '../screen.js' */

import { api, empty, fill, find, h, link, load, number, t, table, when } from '../screen.js';
import { PAGE, paged } from './users.js';
import { connectionOf } from './frame.js';
import { logOf } from './log.js';

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function groups(content, here) {
  here.title(t('groups.title'));
  const place = h('div.stack');
  /** @param {number} start */
  const show = (start) => load(place, async () => {
    const found = await api.groups(here.id, { startIndex: start, count: PAGE });
    return list(found, await connectionOf(here.tenant), start, here, turn);
  }, { ...here, lines: 8 });
  /** @param {number} start */
  const turn = async (start) => {
    await show(start);
    window.scrollTo(0, 0);
    find(content, '.summary')?.focus();
  };
  fill(content, h('div.head', h('h1', t('groups.title')), h('a', { href: `${here.base}/users` }, t('tab.users'))), place);
  show(1);
}

/**
 * @param {Api.Answer<'listGroupsOfTenant'>} found
 * @param {Api.Connection | null} connection
 * @param {number} start
 * @param {OrganizationScreen} here
 * @param {(start: number) => void} turn
 */
function list({ groups: found, totalResults }, connection, start, { base }, turn) {
  if (totalResults === 0 && !connection?.groups) return empty(t('groups.off'), null, link(t('groups.offGo'), `${base}/settings`));
  if (totalResults === 0) return empty(t('groups.none'), t('groups.noneText'));
  return paged('groups.range', start, found.length, totalResults, turn,
    table([t('users.name'), `#${t('groups.members')}`, t('users.changed')], found.map(({ id, displayName, members, lastModifiedAt }) => [
      h('a', { href: logOf(base, id, displayName), class: 'row-link break' }, displayName), number(members ?? 0), when(lastModifiedAt)])));
}
