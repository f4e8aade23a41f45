// The organization itself: its name, its seats, its data, its end.

import { announce, api, button, card, dangerCard, dialog, field, form, h, load, select, submit, t } from '../screen.js';
import { checkCard } from './check.js';
import { connectionOf, forget } from './frame.js';
import { groupsSwitch } from './setup.js';

export function settings(content, here) {
  here.title(t('tab.settings'));
  load(content, async () => {
    const tenant = await here.refresh();
    const connection = await connectionOf(tenant);
    const providers = connection && connection.state !== 'ended' ? (await api.providers()).identityProviders : null;
    return page(tenant, connection, providers, here);
  }, here);
}

function page(tenant, connection, providers, here) {
  const name = h('input', { value: tenant.name, maxlength: 200, autocomplete: 'off' });
  const seats = h('input', { inputmode: 'numeric', value: tenant.seats ?? '', autocomplete: 'off', class: 'short' });
  const occupied = tenant.users > 0 || (tenant.connection && tenant.connection.state !== 'ended');
  const change = (wish) => api.changeTenant(here.id, wish);
  const renewed = () => { forget(here.id); here.redraw(); };
  return h('div.stack.narrow',
    h('h1', t('tab.settings')),
    card(t('settings.nameTitle'), changeForm([field(t('orgs.name'), name)], (fail) => (name.value.trim() ? { name: name.value.trim() } : fail(t('orgs.addEmpty'))), change, renewed)),
    card(t('seats.title'), h('p.hint', t('settings.seatsText')), changeForm([field(t('settings.seats'), seats, { hint: t('settings.seatsHint', { n: tenant.activeUsers ?? 0 }) })], (fail) => {
      const text = seats.value.trim();
      if (!/^\d{0,9}$/.test(text)) return fail(t('settings.seatsWrong'));
      return { seats: text === '' ? null : Number(text) };
    }, change, here.refresh)),
    providers && card(t('orgs.provider'), connectionForm(connection, providers, here, renewed)),
    checkCard(here),
    dangerCard(t('settings.delete'), t(occupied ? 'settings.deleteFirst' : 'settings.deleteText'), t('settings.delete'),
      { disabled: Boolean(occupied), onclick: () => deleteDialog(tenant, here) }));
}

/** A field, what belongs to it, and one button. `read` gives the change, or shows what is wrong with it; `send` makes it. */
function changeForm([labelled, ...rest], read, send, done) {
  const go = button(t('save'), { type: 'submit' });
  return form('stack tight', async () => {
    labelled.fail('');
    const change = read(labelled.fail);
    if (!change || !await submit(go, () => send(change), labelled.fail)) return;
    announce(t('saved'));
    await done();
  }, labelled, rest, h('div', go));
}

/** The provider that the connection is read as, whether it brings groups, and whether it is taken by the letter. */
function connectionForm(connection, providers, here, renewed) {
  const provider = select(providers.map(({ id, name }) => [id, name]), connection.identityProvider, {});
  const groups = h('input', { type: 'checkbox', checked: connection.groups });
  const strict = h('input', { type: 'checkbox', checked: connection.strict });
  return changeForm([field(t('orgs.provider'), provider, { hint: t('settings.providerHint') }), groupsSwitch(groups),
    h('div', h('label.check', strict, h('span', t('settings.strict'))), h('p.hint', t('settings.strictText')))],
    () => ({ identityProvider: provider.value, groups: groups.checked, strict: strict.checked }), (change) => api.changeConnection(here.id, change), renewed);
}

function deleteDialog(tenant, here) {
  dialog({
    title: t('delete.ask', { name: tenant.name }), kind: 'danger', confirm: t('settings.delete'),
    body: h('p', t('settings.deleteText'), ' ', t('delete.final')),
    action: () => api.deleteTenant(here.id),
    onDone: () => { forget(here.id); announce(t('delete.done', { name: tenant.name })); here.go('#/organizations'); },
  });
}
