// The organization itself: its name, its seats, its end.

import { api } from '../api.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { announce, button, card, dialog, field, load, select, submit } from '../widgets.js';
import { connectionOf, forget } from './frame.js';
import { groupsSwitch } from './setup.js';

export function settings(content, here) {
  here.title(t('settings.title'));
  load(content, async () => {
    const tenant = await here.refresh();
    const connection = await connectionOf(tenant);
    const providers = connection && connection.state !== 'ended' ? (await api.providers()).identityProviders : null;
    return page(tenant, connection, providers, here);
  }, { signal: here.signal });
}

function page(tenant, connection, providers, here) {
  const name = h('input', { type: 'text', value: tenant.name, maxlength: 200, autocomplete: 'off' });
  const seats = h('input', { type: 'text', inputmode: 'numeric', value: tenant.seats ?? '', autocomplete: 'off', class: 'short' });
  const occupied = tenant.users > 0 || (tenant.connection && tenant.connection.state !== 'ended');
  return h('div.stack.narrow',
    h('h1', t('settings.title')),
    card(t('settings.name.title'), form(field(t('orgs.name'), name), t('save'), (fail) => {
      if (!name.value.trim()) return fail(t('orgs.add.empty'));
      return { name: name.value.trim() };
    }, here)),
    card(t('seats.title'), h('p.hint', t('settings.seats.text')), form(field(t('settings.seats'), seats, { hint: t('settings.seats.hint', { n: tenant.activeUsers ?? 0 }) }), t('save'), (fail) => {
      const text = seats.value.trim();
      if (text !== '' && !/^\d{1,9}$/.test(text)) return fail(t('settings.seats.wrong'));
      return { seats: text === '' ? null : Number(text) };
    }, here)),
    providers && card(t('orgs.provider'), connectionForm(connection, providers, here)),
    h('section.card.danger.stack', h('h2', t('settings.delete')), h('p.hint', t(occupied ? 'settings.delete.first' : 'settings.delete.text')),
      h('div', button(t('settings.delete'), { kind: 'danger', icon: 'trash', disabled: Boolean(occupied), onclick: () => deleteDialog(tenant, here) }))));
}

/** One field, one button. `read` gives the change, or shows what is wrong with it. */
function form(labelled, label, read, here) {
  const go = button(label, { type: 'submit' });
  return h('form.stack.tight', { novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    labelled.fail('');
    const change = read((message) => { labelled.fail(message); });
    if (!change) return;
    const done = await submit(go, async () => { await api.changeTenant(here.id, change); return true; }, (message) => labelled.fail(message));
    if (!done) return;
    announce(t('saved'));
    if (change.name) { forget(here.id); here.redraw(); } else await here.refresh();
  } }, labelled, h('div', go));
}

/** The provider that the connection is read as, and whether it brings groups. */
function connectionForm(connection, providers, here) {
  const provider = select(providers.map(({ id, name }) => [id, name]), connection.identityProvider, {});
  const groups = h('input', { type: 'checkbox', checked: connection.groups });
  const labelled = field(t('orgs.provider'), provider, { hint: t('settings.provider.hint') });
  const go = button(t('save'), { type: 'submit' });
  return h('form.stack', { onsubmit: async (event) => {
    event.preventDefault();
    labelled.fail('');
    const change = { identityProvider: provider.value, groups: groups.checked };
    const done = await submit(go, () => api.changeConnection(here.id, change), (message) => labelled.fail(message));
    if (!done) return;
    announce(t('saved'));
    forget(here.id);
    here.redraw();
  } }, labelled, groupsSwitch(groups), h('div', go));
}

function deleteDialog(tenant, here) {
  dialog({
    title: t('delete.ask', { name: tenant.name }), kind: 'danger', confirm: t('settings.delete'),
    body: h('p', t('settings.delete.text'), ' ', t('delete.final')),
    action: () => api.deleteTenant(here.id),
    onDone: () => { forget(here.id); announce(t('delete.done', { name: tenant.name })); here.go('#/organizations'); },
  });
}
