// Users that an ended connection left behind: deleted together, after typing the organization's name.

import { announce, api, dangerCard, dialog, h, inPortions, number, t } from '../screen.js';
import { forget } from './frame.js';

export const removeUsersCard = (tenant, here) => dangerCard(t('leftovers.title'), t('leftovers.text'), t('leftovers.go', { n: tenant.users }),
  { onclick: () => removeDialog(tenant, here) });

function removeDialog(tenant, here) {
  const progress = h('p.hint', { role: 'status' });
  let deleted;
  dialog({
    title: t('leftovers.title'), kind: 'danger', confirm: t('leftovers.go', { n: tenant.users }), typed: tenant.name,
    body: [h('p', t('delete.final')), progress],
    action: async () => {
      ({ deleted } = await inPortions(() => api.deleteUsers(here.id, tenant.name), 'deleted',
        (n, left) => { progress.textContent = t('leftovers.progress', { n, left: number(left) }); }));
    },
    onDone: () => { forget(here.id); announce(t('leftovers.done', { n: deleted })); here.redraw(); },
  });
}
