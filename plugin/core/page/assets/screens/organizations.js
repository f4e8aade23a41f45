// All organizations: which of them needs a look.

import { api } from '../api.js';
import { fill, h, icon } from '../dom.js';
import { currentLanguage, number, t, when } from '../i18n.js';
import { button, dialog, empty, field, load, select } from '../widgets.js';
import { live } from '../live.js';
import { healthBadge, healthOf } from './frame.js';

const URGENCY = ['unauthorized', 'failing', 'overdue', 'waiting', 'healthy', 'ended', 'none'];
const providerNames = new Map();

export function organizations(main, context) {
  context.title(t('organizations.title'));
  const state = { tenants: [], search: context.query.get('search') ?? '', sort: context.query.get('sort') ?? 'name' };
  const list = h('div.org-list');

  load(main, async () => {
    const [{ tenants }, { identityProviders }] = await Promise.all([api.tenants(), api.providers()]);
    for (const provider of identityProviders) providerNames.set(provider.id, provider.name);
    // With one organization there is nothing to choose.
    if (context.first && tenants.length === 1) {
      context.go(`#/o/${encodeURIComponent(tenants[0].id)}`, { replace: true });
      return null;
    }
    state.tenants = tenants;
    setTimeout(() => live(async () => { state.tenants = (await api.tenants()).tenants; rows(list, state); }, context.signal), 2000);
    return page(list, state, context);
  }, { signal: context.signal });
}

function page(list, state, context) {
  const add = () => addDialog(context);
  const changed = () => { context.keep({ search: state.search, sort: state.sort === 'name' ? '' : state.sort }); rows(list, state); };
  if (state.tenants.length === 0) {
    return h('div.stack', h('h1', t('organizations.title')),
      empty(t('organizations.none'), t('organizations.none.text'), button(t('organizations.add'), { icon: 'plus', kind: 'primary', onclick: add })));
  }
  rows(list, state);
  const find = h('input', { type: 'search', value: state.search, placeholder: t('organizations.search'), oninput: (event) => { state.search = event.target.value; changed(); } });
  const order = select([['name', t('organizations.name')], ['health', t('organizations.health')], ['users', t('organizations.users')], ['last', t('organizations.last')]], state.sort,
    { onchange: (event) => { state.sort = event.target.value; changed(); } });
  return h('div.stack',
    h('div.head', h('div', h('h1', t('organizations.title')), h('p.lead', t('organizations.lead'))),
      button(t('organizations.add'), { icon: 'plus', kind: 'primary', onclick: add })),
    h('div.filters', h('div.search', icon('search'), field(t('organizations.search'), find, { quietLabel: true })),
      h('div.inline-field', field(t('organizations.sort'), order))),
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
    h('thead', h('tr', ['name', 'provider', 'health', 'users', 'last'].map((column) => h('th', { scope: 'col', class: column === 'users' ? 'num' : null }, t(`organizations.${column}`))))),
    h('tbody', shown.map(row))));
}

function row(tenant) {
  const { connection, seats } = tenant;
  const cell = (column, ...value) => h('td', { 'data-label': t(`organizations.${column}`), class: column === 'users' ? 'num' : null }, h('span', value));
  return h('tr',
    h('th', { scope: 'row' }, h('a', { href: `#/o/${encodeURIComponent(tenant.id)}`, class: 'row-link', 'data-key': tenant.id }, tenant.name)),
    cell('provider', connection ? providerNames.get(connection.identityProvider) ?? connection.identityProvider : h('span.muted', t('organizations.not'))),
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

function addDialog(context) {
  const name = h('input', { type: 'text', autocomplete: 'organization', maxlength: 200 });
  const labelled = field(t('organizations.name'), name, { hint: t('organizations.add.hint') });
  let added;
  dialog({
    title: t('organizations.add'),
    body: labelled,
    confirm: t('organizations.add.go'),
    action: async () => {
      labelled.fail('');
      if (!name.value.trim()) { labelled.fail(t('organizations.add.empty')); return false; }
      added = await api.addTenant(name.value.trim());
      return true;
    },
    onDone: () => context.go(`#/o/${encodeURIComponent(added.id)}/setup`),
  });
  name.focus();
}
