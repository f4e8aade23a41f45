// @ts-check
// One user: attributes, history, deletion.

/** @import { OrganizationScreen } from '../screen.js' */

import { announce, api, button, card, copyButton, crumbs, dialog, exact, h, load, t, when } from '../screen.js';
import { flat } from '../reading.js';
import { logOf, row } from './log.js';
import { activeBadge } from './users.js';

const HISTORY = 20;

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function user(content, here) {
  here.title(t('tab.users'));
  load(content, async () => {
    const found = await api.user(here.id, here.part);
    here.title(found.userName);
    return page(found, here);
  }, { ...here, lines: 6 });
}

/**
 * @param {Api.User} found
 * @param {OrganizationScreen} here
 */
function page(found, here) {
  const history = h('div.stack');
  load(history, async () => {
    const { requests, next } = await api.requests(here.id, { user: found.id, limit: HISTORY, probes: 'false' });
    if (requests.length === 0) return h('p.muted', t('user.historyNone'));
    return [h('ul.rows', requests.map((record) => row(record, here))),
      next && h('p', h('a', { href: logOf(here.base, found.id, found.userName) }, t('user.historyAll')))];
  }, here);
  return [
    crumbs(t('tab.users'), `${here.base}/users`),
    h('div.head', h('div', h('h1.break', found.userName), h('p.lead', found.displayName, ' ', activeBadge(found.active ?? false))),
      button(t('user.delete'), { kind: 'danger', icon: 'trash', onclick: () => deleteDialog(found, here) })),
    h('div.columns.even',
      card(t('user.attributes'), attributes(found)),
      card(t('user.history'), history)),
  ];
}

/** @param {Api.User} found */
function attributes({ resource }) {
  const { schemas, meta, ...rest } = /** @type {{ meta: Record<string, unknown>, [name: string]: unknown }} */ (resource);
  const { created, lastModified, version } = meta;
  return h('dl.attributes', flat({ ...rest, meta: { created, lastModified, version } }).map(attribute));
}

/** @param {[name: string, value: string]} attribute */
function attribute([name, value]) {
  return h('div', h('dt', h('code.break', name)),
    h('dd', TIMES.includes(name) ? h('span', exact(value), ' · ', when(value)) : h('span.break', value),
      (name === 'id' || name === 'externalId') && copyButton(name, () => value)));
}

const TIMES = ['meta.created', 'meta.lastModified'];

/**
 * @param {Api.User} found
 * @param {OrganizationScreen} here
 */
function deleteDialog(found, here) {
  const deleted = () => {
    announce(t('delete.done', { name: found.userName }));
    here.go(`${here.base}/users`);
  };
  dialog({
    title: t('delete.ask', { name: found.userName }), kind: 'danger', confirm: t('user.deleteGo'),
    body: [h('p', t('delete.final')), h('p.hint', t('user.deleteHint'))],
    action: () => api.deleteUser(here.id, found.id),
    onDone: deleted,
  });
}
