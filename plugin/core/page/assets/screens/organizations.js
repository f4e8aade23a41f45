// All organizations: which of them needs a look.

import { api } from '../api.js';
import { fill, h, icon } from '../dom.js';
import { currentLanguage, number, t, when } from '../i18n.js';
import { button, columns, dialog, empty, field, load, select } from '../widgets.js';
import { live } from '../live.js';
import { healthBadge, healthOf } from './frame.js';

const URGENCY = ['unauthorized', 'failing', 'overdue', 'waiting', 'healthy', 'ended', 'none'];
const providerNames = new Map();

export function organizations(main, here) {
  here.title(t('orgs.title'));
  const state = { tenants: [], search: here.query.get('search') ?? '', sort: here.query.get('sort') ?? 'name' };
  const list = h('div.org-list');

  load(main, async () => {
    const [{ tenants }, { identityProviders }] = await Promise.all([api.tenants(), api.providers()]);
    for (const provider of identityProviders) providerNames.set(provider.id, provider.name);
    // With one organization there is nothing to choose.
    if (here.first && tenants.length === 1) {
      here.go(`#/o/${encodeURIComponent(tenants[0].id)}`, { replace: true });
      return null;
    }
    state.tenants = tenants;
    setTimeout(() => live(async () => { state.tenants = (await api.tenants()).tenants; rows(list, state); }, here.signal), 2000);
    return page(list, state, here);
  }, { signal: here.signal });
}

function page(list, state, here) {
  const add = () => addDialog(here);
  const changed = () => { here.keep({ search: state.search, sort: state.sort === 'name' ? '' : state.sort }); rows(list, state); };
  if (state.tenants.length === 0) {
    return h('div.stack', h('h1', t('orgs.title')),
      empty(t('orgs.none'), t('orgs.none.text'), button(t('orgs.add'), { icon: 'plus', kind: 'primary', onclick: add })));
  }
  rows(list, state);
  const find = h('input', { type: 'search', value: state.search, placeholder: t('orgs.search'), oninput: (event) => { state.search = event.target.value; changed(); } });
  const order = select([['name', t('orgs.name')], ['health', t('orgs.health')], ['users', t('orgs.users')], ['last', t('orgs.last')]], state.sort,
    { onchange: (event) => { state.sort = event.target.value; changed(); } });
  return h('div.stack',
    h('div.head', h('div', h('h1', t('orgs.title')), h('p.lead', t('orgs.lead'))),
      button(t('orgs.add'), { icon: 'plus', kind: 'primary', onclick: add })),
    h('div.filters', h('div.search', icon('search'), field(t('orgs.search'), find, { quietLabel: true })),
      h('div.inline-field', field(t('orgs.sort'), order))),
    list);
}

function rows(list, state) {
  const wanted = state.search.trim().toLocaleLowerCase();
  const shown = state.tenants.filter((tenant) => tenant.name.toLocaleLowerCase().includes(wanted)).sort(ORDERS[state.sort] ?? ORDERS.name);
  const mark = JSON.stringify([shown, currentLanguage()]);
  if (list.dataset.shown === mark) return;
  list.dataset.shown = mark;
  if (shown.length === 0) return void fill(list, empty(t('nothing.found'), t('nothing.found.text')));
  fill(list, h('table.table.cards',
    columns(...['name', 'provider', 'health', 'users', 'last'].map((column) => (column === 'users' ? '#' : '') + t(`orgs.${column}`))),
    h('tbody', shown.map(row))));
}

function row(tenant) {
  const { connection, seats } = tenant;
  const cell = (column, ...value) => h('td', { 'data-label': t(`orgs.${column}`), class: column === 'users' ? 'num' : null }, h('span', value));
  return h('tr',
    h('th', { scope: 'row' }, h('a', { href: `#/o/${encodeURIComponent(tenant.id)}`, class: 'row-link', 'data-key': tenant.id }, tenant.name)),
    cell('provider', connection ? providerNames.get(connection.identityProvider) ?? connection.identityProvider : h('span.muted', t('orgs.not'))),
    cell('health', healthBadge(tenant)),
    cell('users', number(tenant.users), seats !== null && seats !== undefined && h('span.muted', ` / ${number(seats)}`)),
    cell('last', when(connection?.lastTransferAt)));
}

const byName = (a, b) => a.name.localeCompare(b.name, currentLanguage());
const ORDERS = {
  name: byName,
  health: (a, b) => URGENCY.indexOf(healthOf(a)) - URGENCY.indexOf(healthOf(b)) || byName(a, b),
  users: (a, b) => b.users - a.users || byName(a, b),
  last: (a, b) => (b.connection?.lastTransferAt ?? '').localeCompare(a.connection?.lastTransferAt ?? '') || byName(a, b),
};

function addDialog(here) {
  const name = h('input', { type: 'text', autocomplete: 'organization', maxlength: 200 });
  const labelled = field(t('orgs.name'), name, { hint: t('orgs.add.hint') });
  let added;
  dialog({
    title: t('orgs.add'),
    body: labelled,
    confirm: t('orgs.add.go'),
    action: async () => {
      labelled.fail('');
      if (!name.value.trim()) { labelled.fail(t('orgs.add.empty')); return false; }
      added = await api.addTenant(name.value.trim());
      return true;
    },
    onDone: () => here.go(`#/o/${encodeURIComponent(added.id)}/setup`),
  });
  name.focus();
}
