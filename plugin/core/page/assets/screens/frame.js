// @ts-check
// What all screens of one organization share: its name, its health, the tabs.

/** @import { OrganizationAddress, OrganizationScreen, Tab } from '../screen.js' */
/** @import { Child } from '../dom.js' */
/** @import { Tone } from '../widgets.js' */

/** @typedef {Api.Health | 'none'} Health none without a connection */

import { api, badge, crumbs, fill, find, h, load, t } from '../screen.js';
import { guided, idpOf, isKnown } from '../guides.js';

/** @type {[Tab, path: string][]} */
const TABS = [['connection', ''], ['log', '/log'], ['users', '/users'], ['settings', '/settings']];
/** @type {Map<string, Api.Tenant>} */
const known = new Map();

/**
 * Draws the frame and the screen in it. An organization seen before shows at once and is brought up to date.
 * @param {HTMLElement} main
 * @param {OrganizationAddress} here
 * @param {(content: HTMLElement, here: OrganizationScreen) => void} screen
 */
export function organizationFrame(main, here, screen) {
  const base = `#/o/${encodeURIComponent(here.id)}`;
  /** @type {(tenant: Api.Tenant, nodes: Child) => HTMLElement} */
  const draw = (tenant, nodes) => {
    const health = h('span.org-health', healthBadge(healthOf(tenant)));
    fill(main,
      h('div.org',
        crumbs(t('orgs.title'), '#/organizations', t('crumbs')),
        h('div.org-line', h('p.org-name', tenant.name), health),
        h('nav', { 'aria-label': tenant.name, class: 'tabs' }, TABS.map(([name, path]) =>
          h('a', { href: base + path, 'aria-current': name === here.tab ? 'page' : null }, t(`tab.${name}`))))),
      nodes);
    // On a narrow screen the tabs scroll: the current one is never out of sight.
    const current = find(main, '.tabs [aria-current]');
    if (current?.parentElement) current.parentElement.scrollLeft = current.offsetLeft - 48;
    return health;
  };

  const content = h('div.content.stack');
  /** @param {Api.Tenant} tenant */
  const show = async (tenant) => {
    const idp = await guided(idpOf(tenant));
    if (here.signal.aborted) return;
    const health = draw(tenant, content);
    /** @param {Api.Tenant} fresh */
    const update = (fresh) => {
      known.set(here.id, fresh);
      fill(health, healthBadge(healthOf(fresh)));
    };
    /** @type {OrganizationScreen} */
    const own = {
      ...here, base, tenant, idp,
      title: (text) => here.title(`${text} · ${tenant.name}`),
      // The screens that watch the traffic keep the badge true.
      health: (state) => fill(health, healthBadge(state)),
      refresh: async () => {
        const fresh = await api.tenant(here.id);
        own.idp = await guided(idpOf(fresh));
        update(fresh);
        return fresh;
      },
    };
    screen(content, own);
  };

  const before = known.get(here.id);
  if (before && isKnown(idpOf(before))) {
    show(before);
    api.tenant(here.id).then((fresh) => known.set(here.id, fresh)).catch(() => {});
    return;
  }
  load(main, async () => {
    const tenant = await api.tenant(here.id);
    known.set(here.id, tenant);
    await show(tenant);
  }, here);
}

/**
 * The connection in full; not even asked for where there is none.
 * @param {Api.Tenant} tenant
 */
export const connectionOf = async (tenant) => (tenant.connection === null ? null : api.connection(tenant.id));

/**
 * Forgets what was known: after a change that the frame would show wrongly.
 * @param {string} id
 */
export const forget = (id) => known.delete(id);

/** @type {Record<Health, Tone>} */
const TONES = {
  waiting: 'busy', healthy: 'good', failing: 'bad', overdue: 'warn', ended: 'quiet', unauthorized: 'bad', mending: 'warn', none: 'quiet',
};

/**
 * @param {Api.Tenant} tenant
 * @returns {Health}
 */
export const healthOf = (tenant) => (tenant.connection ? tenant.health?.state ?? 'waiting' : 'none');

/** @param {Health} state */
export const healthTone = (state) => TONES[state] ?? 'quiet';

/** @param {Health} state */
export const healthBadge = (state) => badge(healthTone(state), t(`health.${state}`));
