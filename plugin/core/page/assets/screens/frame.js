// What all screens of one organization share: its name, its health, the tabs.

import { api, badge, crumbs, fill, h, load, t } from '../screen.js';
import { guided, idpOf, isKnown } from '../guides.js';

const TABS = [['connection', ''], ['log', '/log'], ['users', '/users'], ['settings', '/settings']];
const known = new Map();

/** Draws the frame and the screen in it. An organization seen before shows at once and is brought up to date. */
export function organizationFrame(main, here, screen) {
  const base = `#/o/${encodeURIComponent(here.id)}`;
  const draw = (tenant, nodes) => {
    const health = h('span.org-health', healthBadge(tenant));
    fill(main,
      h('div.org',
        crumbs(t('orgs.title'), '#/organizations', t('crumbs')),
        h('div.org-line', h('p.org-name', tenant.name), health),
        h('nav', { 'aria-label': tenant.name, class: 'tabs' }, TABS.map(([name, path]) =>
          h('a', { href: base + path, 'aria-current': name === here.tab ? 'page' : null }, t(`tab.${name}`))))),
      nodes);
    // On a narrow screen the tabs scroll: the current one is never out of sight.
    const current = main.querySelector('.tabs [aria-current]');
    current.parentElement.scrollLeft = current.offsetLeft - 48;
    return health;
  };

  const content = h('div.content.stack');
  const show = async (tenant) => {
    const idp = await guided(idpOf(tenant));
    if (here.signal.aborted) return;
    const health = draw(tenant, content);
    const update = (fresh) => { known.set(here.id, fresh); fill(health, healthBadge(fresh)); };
    const own = {
      ...here, base, tenant, idp,
      title: (text) => here.title(`${text} · ${tenant.name}`),
      // The screens that watch the traffic keep the badge true.
      health: (state) => fill(health, healthBadge({ ...tenant, connection: tenant.connection ?? {}, health: { state } })),
      refresh: async () => {
        const fresh = await api.tenant(here.id);
        own.idp = await guided(idpOf(fresh));
        update(fresh);
        return fresh;
      },
    };
    screen(content, own);
  };

  if (known.has(here.id) && isKnown(idpOf(known.get(here.id)))) {
    show(known.get(here.id));
    api.tenant(here.id).then((fresh) => known.set(here.id, fresh)).catch(() => {});
    return;
  }
  load(main, async () => {
    const tenant = await api.tenant(here.id);
    known.set(here.id, tenant);
    await show(tenant);
  }, here);
}

/** The connection in full; not even asked for where there is none. */
export const connectionOf = (tenant) => (tenant.connection === null ? null : api.connection(tenant.id));

/** Forgets what was known: after a change that the frame would show wrongly. */
export const forget = (id) => known.delete(id);

const TONES = { waiting: 'busy', healthy: 'good', failing: 'bad', overdue: 'warn', ended: 'quiet', unauthorized: 'bad', mending: 'warn', none: 'quiet' };

export const healthOf = (tenant) => (tenant.connection ? tenant.health?.state ?? 'waiting' : 'none');
export const healthTone = (state) => TONES[state] ?? 'quiet';
export const healthBadge = (tenant) => badge(healthTone(healthOf(tenant)), t(`health.${healthOf(tenant)}`));
