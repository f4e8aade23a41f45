// One user: attributes, history, deletion.

import { api } from '../api.js';
import { h, icon } from '../dom.js';
import { exact, t, when } from '../i18n.js';
import { flat } from '../reading.js';
import { announce, button, card, copyButton, dialog, load } from '../widgets.js';
import { row } from './log.js';
import { activeBadge } from './users.js';

const HISTORY = 20;

export function user(content, here) {
  here.title(t('tab.users'));
  load(content, async () => {
    const found = await api.user(here.id, here.part);
    here.title(found.userName);
    return page(found, here);
  }, { signal: here.signal, lines: 6 });
}

function page(found, here) {
  const history = h('div.stack');
  load(history, async () => {
    const { requests, next } = await api.requests(here.id, { user: found.id, limit: HISTORY, probes: 'false' });
    if (requests.length === 0) return h('p.muted', t('user.history.none'));
    return [h('ul.rows', requests.map((record) => row(record, here))),
      next && h('p', h('a', { href: `${here.base}/log?${new URLSearchParams({ user: found.id, name: found.userName })}` }, t('user.history.all')))];
  }, { signal: here.signal });
  return [
    h('nav', { 'aria-label': t('users.title'), class: 'crumbs' }, h('a', { href: `${here.base}/users` }, icon('left'), h('span', t('users.title')))),
    h('div.head', h('div', h('h1.break', found.userName), h('p.lead', found.displayName, ' ', activeBadge(found.active))),
      button(t('user.delete'), { kind: 'danger', icon: 'trash', onclick: () => deleteDialog(found, here) })),
    h('div.columns.even',
      card(t('user.attributes'), attributes(found)),
      card(t('user.history'), history)),
  ];
}

function attributes(found) {
  const resource = found.resource ?? { id: found.id, userName: found.userName, active: found.active, displayName: found.displayName, externalId: found.externalId };
  const { schemas, meta, ...rest } = resource;
  const times = new Set(['meta.created', 'meta.lastModified']);
  const shown = flat({ ...rest, meta: { created: meta?.created ?? found.createdAt, lastModified: meta?.lastModified ?? found.lastModifiedAt, version: meta?.version } });
  return h('dl.attributes', shown.map(([name, value]) => h('div', h('dt', h('code.break', name)),
    h('dd', times.has(name) ? h('span', exact(value), ' · ', when(value)) : h('span.break', value),
      (name === 'id' || name === 'externalId') && copyButton(name, () => value)))));
}

function deleteDialog(found, here) {
  dialog({
    title: t('delete.ask', { name: found.userName }), kind: 'danger', confirm: t('user.delete.go'),
    body: [h('p', t('delete.final')), h('p.hint', t('user.delete.hint'))],
    action: () => api.deleteUser(here.id, found.id),
    onDone: () => { announce(t('delete.done', { name: found.userName })); here.go(`${here.base}/users`); },
  });
}
