// @ts-check
// All organizations: which of them needs a look.

/** @import { Screen } from '../screen.js' */

/** @typedef {{ tenants: Api.Tenant[], search: string, sort: string }} State */

import { api, button, currentLanguage, dialog, empty, field, fill, h, load, number, searchField, select, t, table, when } from '../screen.js';
import { live } from '../live.js';
import { healthBadge, healthOf } from './frame.js';

/** @type {ReturnType<typeof healthOf>[]} */
const URGENCY = ['mending', 'unauthorized', 'failing', 'overdue', 'waiting', 'healthy', 'ended', 'none'];
/** @type {Map<string, string>} */
const providerNames = new Map();

/**
 * @param {HTMLElement} main
 * @param {Screen} here
 */
export function organizations(main, here) {
  here.title(t('orgs.title'));
  /** @type {State} */
  const state = { tenants: [], search: here.query.get('search') ?? '', sort: here.query.get('sort') ?? 'name' };
  const list = h('div.org-list');

  const refresh = async () => {
    state.tenants = (await api.tenants()).tenants;
    rows(list, state);
  };
  load(main, async () => {
    const [{ tenants }, { identityProviders }] = await Promise.all([api.tenants(), api.providers()]);
    for (const provider of identityProviders) providerNames.set(provider.id, provider.name);
    // With one organization there is nothing to choose.
    if (here.first && tenants.length === 1) {
      here.go(`#/o/${encodeURIComponent(tenants[0].id)}`, { replace: true });
      return null;
    }
    state.tenants = tenants;
    setTimeout(() => live(refresh, here.signal), 2000);
    return page(list, state, here);
  }, here);
}

/**
 * @param {HTMLElement} list
 * @param {State} state
 * @param {Screen} here
 */
function page(list, state, here) {
  const add = button(t('orgs.add'), { icon: 'plus', kind: 'primary', onclick: () => addDialog(here) });
  const storage = h('a', { href: '#/storage' }, t('store.title'));
  /** @param {Partial<State>} change */
  const changed = (change) => {
    Object.assign(state, change);
    here.keep({ search: state.search, sort: state.sort === 'name' ? '' : state.sort });
    rows(list, state);
  };
  if (state.tenants.length === 0) {
    return h('div.stack', h('div.head', h('h1', t('orgs.title')), storage), empty(t('orgs.none'), t('orgs.noneText'), add));
  }
  rows(list, state);
  const order = select([['name', t('orgs.name')], ['health', t('orgs.health')], ['users', t('tab.users')], ['last', t('orgs.last')]], state.sort,
    { onchange: (event) => changed({ sort: event.currentTarget.value }) });
  return h('div.stack',
    h('div.head', h('div', h('h1', t('orgs.title')), h('p.lead', t('orgs.lead'))), h('div.row', storage, add)),
    h('div.filters', searchField(t('orgs.search'), state.search, (search) => changed({ search })),
      h('div.inline-field', field(t('orgs.sort'), order))),
    list);
}

/**
 * @param {HTMLElement} list
 * @param {State} state
 */
function rows(list, state) {
  const wanted = state.search.trim().toLocaleLowerCase();
  const shown = state.tenants.filter((tenant) => tenant.name.toLocaleLowerCase().includes(wanted)).sort(ORDERS[state.sort] ?? byName);
  const mark = JSON.stringify([shown, currentLanguage()]);
  if (list.dataset.shown === mark) return;
  list.dataset.shown = mark;
  if (shown.length === 0) fill(list, empty(t('nothing.found'), t('nothing.foundText')));
  else fill(list, table([t('orgs.name'), t('orgs.provider'), t('orgs.health'), `#${t('tab.users')}`, t('orgs.last')], shown.map(row)));
}

/** @param {Api.Tenant} tenant */
function row(tenant) {
  const { id, name, connection, users, seats } = tenant;
  return [
    h('a', { href: `#/o/${encodeURIComponent(id)}`, class: 'row-link', 'data-key': id }, name),
    connection ? providerNames.get(connection.identityProvider) ?? connection.identityProvider : h('span.muted', t('orgs.not')),
    healthBadge(healthOf(tenant)),
    [number(users), seats !== null && seats !== undefined && h('span.muted', ` / ${number(seats)}`)],
    when(connection?.lastTransferAt)];
}

/** @typedef {(a: Api.Tenant, b: Api.Tenant) => number} Order */

/** @type {Order} */
const byName = (a, b) => a.name.localeCompare(b.name, currentLanguage());
/** @type {Record<string, Order>} */
const ORDERS = {
  name: byName,
  health: (a, b) => URGENCY.indexOf(healthOf(a)) - URGENCY.indexOf(healthOf(b)) || byName(a, b),
  users: (a, b) => b.users - a.users || byName(a, b),
  last: (a, b) => (b.connection?.lastTransferAt ?? '').localeCompare(a.connection?.lastTransferAt ?? '') || byName(a, b),
};

/** @param {Screen} here */
function addDialog(here) {
  const name = h('input', { autocomplete: 'organization', maxlength: 200 });
  const labelled = field(t('orgs.name'), name, { hint: t('orgs.addHint') });
  /** @type {string} */
  let id;
  dialog({
    title: t('orgs.add'),
    body: labelled,
    confirm: t('orgs.addGo'),
    action: async () => {
      labelled.fail('');
      if (!name.value.trim()) {
        labelled.fail(t('orgs.addEmpty'));
        return false;
      }
      ({ id } = await api.addTenant(name.value.trim()));
      return true;
    },
    onDone: () => here.go(`#/o/${encodeURIComponent(id)}/setup`),
  });
  name.focus();
}
