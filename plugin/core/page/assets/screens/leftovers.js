// Users that an ended connection left behind: deleted together, after typing the organization's name.

import { api } from '../api.js';
import { h } from '../dom.js';
import { number, t } from '../i18n.js';
import { announce, button, dialog } from '../widgets.js';
import { forget } from './frame.js';

export function removeUsersCard(tenant, here) {
  return h('section.card.danger', h('div.head', h('div', h('h2', t('leftovers.title')), h('p.hint', t('leftovers.text'))),
    button(t('leftovers.go', { n: tenant.users }), { kind: 'danger', icon: 'trash', onclick: () => removeDialog(tenant, here) })));
}

function removeDialog(tenant, here) {
  const progress = h('p.hint', { role: 'status' });
  let deleted = 0;
  dialog({
    title: t('leftovers.title'), kind: 'danger', confirm: t('leftovers.go', { n: tenant.users }), typed: tenant.name,
    body: [h('p', t('delete.final')), progress],
    action: async () => {
      // The server deletes in portions, so that no request runs long.
      for (let remaining = 1; remaining > 0;) {
        const portion = await api.deleteUsers(here.id, tenant.name);
        deleted += portion.deleted;
        remaining = portion.deleted > 0 ? portion.remaining : 0;
        progress.textContent = t('leftovers.progress', { n: deleted, left: number(portion.remaining) });
      }
    },
    onDone: () => { forget(here.id); announce(t('leftovers.done', { n: deleted })); here.redraw(); },
  });
}
