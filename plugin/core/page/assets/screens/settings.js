// @ts-check
// The organization itself: its name, its seats, its data, its end.

/** @import { OrganizationScreen } from '../screen.js' */
/** @import { Child } from '../dom.js' */

/** @typedef {ReturnType<typeof field>} Field */
/** @typedef {(message: string) => void} Fail says what is wrong with a field */

import { announce, api, button, card, dangerCard, dialog, field, form, h, load, select, submit, t } from '../screen.js';
import { checkCard } from './check.js';
import { connectionOf, forget } from './frame.js';
import { groupsSwitch } from './setup.js';

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function settings(content, here) {
  here.title(t('tab.settings'));
  load(content, async () => {
    const tenant = await here.refresh();
    const connection = await connectionOf(tenant);
    const providers = connection && connection.state !== 'ended' ? (await api.providers()).identityProviders : null;
    return page(tenant, connection, providers, here);
  }, here);
}

/**
 * @param {Api.Tenant} tenant
 * @param {Api.Connection | null} connection
 * @param {Api.Provider[] | null} providers
 * @param {OrganizationScreen} here
 */
function page(tenant, connection, providers, here) {
  const occupied = tenant.users > 0 || (tenant.connection && tenant.connection.state !== 'ended');
  const renewed = () => {
    forget(here.id);
    here.redraw();
  };
  return h('div.stack.narrow',
    h('h1', t('tab.settings')),
    card(t('settings.nameTitle'), nameForm(tenant, renewed)),
    card(t('seats.title'), h('p.hint', t('settings.seatsText')), seatsForm(tenant, here.refresh)),
    connection && providers && card(t('orgs.provider'), connectionForm(connection, providers, here, renewed)),
    checkCard(here),
    dangerCard(t('settings.delete'), t(occupied ? 'settings.deleteFirst' : 'settings.deleteText'), t('settings.delete'),
      { disabled: Boolean(occupied), onclick: () => deleteDialog(tenant, here) }));
}

/**
 * @param {Api.Tenant} tenant
 * @param {() => unknown} done
 */
function nameForm(tenant, done) {
  const input = h('input', { value: tenant.name, maxlength: 200, autocomplete: 'off' });
  /** @param {Fail} fail */
  const read = (fail) => {
    const name = input.value.trim();
    if (name) return { name };
    fail(t('orgs.addEmpty'));
    return null;
  };
  return changeForm(field(t('orgs.name'), input), [], read, (change) => api.changeTenant(tenant.id, change), done);
}

/**
 * @param {Api.Tenant} tenant
 * @param {() => unknown} done
 */
function seatsForm(tenant, done) {
  const input = h('input', { inputmode: 'numeric', value: tenant.seats ?? '', autocomplete: 'off', class: 'short' });
  /** @param {Fail} fail */
  const read = (fail) => {
    const text = input.value.trim();
    if (/^\d{0,9}$/.test(text)) return { seats: text === '' ? null : Number(text) };
    fail(t('settings.seatsWrong'));
    return null;
  };
  const labelled = field(t('settings.seats'), input, { hint: t('settings.seatsHint', { n: tenant.activeUsers }) });
  return changeForm(labelled, [], read, (change) => api.changeTenant(tenant.id, change), done);
}

/**
 * A field, what belongs to it, and one button. `read` gives the change, or shows what is wrong with it; `send` makes it.
 * @template T
 * @param {Field} labelled
 * @param {Child[]} rest
 * @param {(fail: Fail) => T | null} read
 * @param {(change: T) => Promise<unknown>} send
 * @param {() => unknown} done
 */
function changeForm(labelled, rest, read, send, done) {
  const go = button(t('save'), { type: 'submit' });
  return form('stack tight', async () => {
    labelled.fail('');
    const change = read(labelled.fail);
    if (!change || !await submit(go, () => send(change), labelled.fail)) return;
    announce(t('saved'));
    await done();
  }, labelled, rest, h('div', go));
}

/**
 * The provider that the connection is read as, whether it brings groups, and whether it is taken by the letter.
 * @param {Api.Connection} connection
 * @param {Api.Provider[]} providers
 * @param {OrganizationScreen} here
 * @param {() => void} renewed
 */
function connectionForm(connection, providers, here, renewed) {
  const provider = select(providers.map(({ id, name }) => [id, name]), connection.identityProvider);
  const groups = h('input', { type: 'checkbox', checked: connection.groups });
  const strict = h('input', { type: 'checkbox', checked: connection.strict });
  const rest = [
    groupsSwitch(groups),
    h('div', h('label.check', strict, h('span', t('settings.strict'))), h('p.hint', t('settings.strictText'))),
  ];
  return changeForm(field(t('orgs.provider'), provider, { hint: t('settings.providerHint') }), rest,
    () => ({ identityProvider: provider.value, groups: groups.checked, strict: strict.checked }),
    (change) => api.changeConnection(here.id, change), renewed);
}

/**
 * @param {Api.Tenant} tenant
 * @param {OrganizationScreen} here
 */
function deleteDialog(tenant, here) {
  const deleted = () => {
    forget(here.id);
    announce(t('delete.done', { name: tenant.name }));
    here.go('#/organizations');
  };
  dialog({
    title: t('delete.ask', { name: tenant.name }), kind: 'danger', confirm: t('settings.delete'),
    body: h('p', t('settings.deleteText'), ' ', t('delete.final')),
    action: () => api.deleteTenant(here.id),
    onDone: deleted,
  });
}
