// @ts-check
// The page: header, routes, session. A route is a hash, so that the server serves one document.

/** @import { OrganizationScreen, Screen, Tab } from './screen.js' */

import { EVENTS, Offline, api, onSession } from './api.js';
import { byId, fill, find, h, icon } from './dom.js';
import { LANGUAGES, currentLanguage, isLanguage, loadLanguage, refreshTimes, rememberLanguage, startLanguage, t } from './i18n.js';
import { announce, button, load, select, submit, tool } from './widgets.js';
import { connection } from './screens/connection.js';
import { groups } from './screens/groups.js';
import { log } from './screens/log.js';
import { organizationFrame } from './screens/frame.js';
import { organizations } from './screens/organizations.js';
import { record } from './screens/record.js';
import { settings } from './screens/settings.js';
import { setup } from './screens/setup.js';
import { signIn } from './screens/sign-in.js';
import { storage } from './screens/storage.js';
import { user } from './screens/user.js';
import { users } from './screens/users.js';

/**
 * The screens by their addresses; those of one organization stand under a tab.
 * @typedef {[address: RegExp, screen: (main: HTMLElement, here: Screen) => void]} PlainRoute
 * @typedef {[address: RegExp, screen: (content: HTMLElement, here: OrganizationScreen) => void, tab: Tab]} OrganizationRoute
 */

/** @type {(PlainRoute | OrganizationRoute)[]} */
const ROUTES = [
  [/^\/?$/, organizations],
  [/^\/organizations$/, organizations],
  [/^\/storage$/, storage],
  [/^\/o\/([^/]+)$/, connection, 'connection'],
  [/^\/o\/([^/]+)\/setup$/, setup, 'connection'],
  [/^\/o\/([^/]+)\/log$/, log, 'log'],
  [/^\/o\/([^/]+)\/log\/(\d+)$/, record, 'log'],
  [/^\/o\/([^/]+)\/users$/, users, 'users'],
  [/^\/o\/([^/]+)\/users\/([^/]+)$/, user, 'users'],
  [/^\/o\/([^/]+)\/groups$/, groups, 'users'],
  [/^\/o\/([^/]+)\/settings$/, settings, 'settings'],
];

const STORAGE = '#/storage';

const page = {
  /** @type {Api.Product} */
  product: { productName: 'Rollcall', version: '', publicUrl: null },
  signedIn: false,
  /** Whether a session ended by itself. */
  lost: false,
  /** Ends with the screen that is shown. */
  life: new AbortController(),
  reachable: true,
  /** Whether the store can be used. */
  usable: true,
  /** Whether the server is being asked that. */
  asking: false,
};

onSession(loseSession, reach, askStore);
window.addEventListener('hashchange', () => {
  closeDialogs();
  draw({ focus: true });
});
// A page that is left may come back as it was (bfcache): nothing goes on in it, and it is drawn anew.
window.addEventListener('pagehide', () => {
  closeDialogs();
  page.life.abort();
});
window.addEventListener('pageshow', ({ persisted }) => { if (persisted) draw(); });
setInterval(refreshTimes, 5000);
start();

async function start() {
  await startLanguage();
  shell();
  await load(byId('main'), async () => {
    const [product, session] = await Promise.all([api.product(), sessionOrNone()]);
    page.product = product;
    page.signedIn = session !== null;
    shell();
    draw();
    if (session) askStore();
  }, page.life);
}

/** No answer but that of being offline keeps the sign-in from being shown. */
async function sessionOrNone() {
  try {
    return await api.session();
  } catch (error) {
    if (error instanceof Offline) throw error;
    return null;
  }
}

function loseSession() {
  if (!page.signedIn) return;
  page.signedIn = false;
  page.lost = true;
  closeDialogs();
  draw({ focus: true });
}

/** Whether the store can be used at all: asked once a visit, and when the server could not serve. */
function askStore() {
  if (page.asking) return;
  page.asking = true;
  api.store().then(tested, () => {}).finally(() => { page.asking = false; });
}

/** @param {Api.Store | null} report */
function tested(report) {
  page.usable = report?.usable ?? true;
  notice();
}

/**
 * Draws the screen that the hash names. `focus` moves the focus to its heading, as a page load would.
 * @param {{ focus?: boolean }} [how]
 */
function draw({ focus = false } = {}) {
  page.life.abort();
  page.life = new AbortController();
  const main = byId('main');
  header();
  notice();
  const [path, query = ''] = location.hash.slice(1).split('?');
  const here = screenAt(path, query);
  if (!page.signedIn) {
    here.title(t('signin.go'));
    fill(main, signIn({ ...here, lost: page.lost, done: signedIn }));
    if (!matchMedia('(max-width: 40rem)').matches || focus) find(main, 'input')?.focus();
    return;
  }
  window.scrollTo(0, 0);
  drawScreen(main, path, here);
  if (focus) focusHeading(main, page.life.signal);
}

/**
 * @param {HTMLElement} main
 * @param {string} path
 * @param {Screen} here
 */
function drawScreen(main, path, here) {
  const route = ROUTES.find(([address]) => address.test(path));
  if (!route) return missing(main, here);
  if (route.length === 2) return route[1](main, here);
  const [address, screen, tab] = route;
  const [id = '', part = ''] = address.exec(path)?.slice(1).map(plain) ?? [];
  return organizationFrame(main, { ...here, id, part, tab }, screen);
}

/**
 * What the screen at an address is given.
 * @param {string} path
 * @param {string} query
 * @returns {Screen}
 */
function screenAt(path, query) {
  return {
    signal: page.life.signal,
    product: page.product,
    query: new URLSearchParams(query),
    first: /^\/?$/.test(path),
    go,
    redraw: () => draw({ focus: true }),
    // Filters live in the hash as well: they survive a reload and a lost session, and are no step of the history.
    keep: (filters) => {
      const kept = new URLSearchParams(Object.entries(filters).flatMap(([name, value]) => value ? [[name, value]] : []));
      history.replaceState(null, '', `#${path}${kept.size ? `?${kept}` : ''}`);
    },
    tested,
    title: (text) => { document.title = [text, t('title')].filter(Boolean).join(' · '); },
  };
}

/**
 * Leads to another screen.
 * @param {string} hash
 * @param {{ replace?: boolean }} [how]
 */
function go(hash, { replace = false } = {}) {
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, '', hash);
  draw({ focus: true });
}

function signedIn() {
  page.signedIn = true;
  page.lost = false;
  draw({ focus: true });
  askStore();
}

/**
 * The heading may come with the first answer of the server: focus it then, unless the reader has moved on.
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
function focusHeading(main, signal) {
  const focus = () => {
    const heading = find(main, 'h1');
    if (!heading) return false;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    return true;
  };
  if (focus()) return;
  const watch = new MutationObserver(() => { if (document.activeElement !== document.body || focus()) watch.disconnect(); });
  watch.observe(main, { childList: true, subtree: true });
  signal.addEventListener('abort', () => watch.disconnect());
}

/**
 * @param {HTMLElement} main
 * @param {Screen} here
 */
function missing(main, here) {
  here.title(t('missing.title'));
  fill(main, h('div.empty', h('h1', t('missing.title')), h('p', t('missing.text')),
    h('p', h('a', { href: '#/organizations' }, t('orgs.title')))));
}

function shell() {
  fill(byId('app'),
    h('a', { href: '#main', class: 'skip', onclick: skip }, t('skip')),
    h('header.top', { id: 'top' }),
    h('div', { id: 'notice', role: 'status' }),
    h('main', { id: 'main', tabindex: '-1' }),
    h('footer.foot', h('span', `${page.product.productName} ${page.product.version}`), h('span', t('title'))),
    h('div', { id: 'announcements', role: 'status', class: 'vh' }));
  header();
  notice();
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  byId('main').focus();
}

function header() {
  const mark = h('img.mark', { src: new URL('mark.svg', import.meta.url).href, alt: '' });
  fill(byId('top'), h('div.top-inner',
    h('a', { href: '#/organizations', class: 'brand' }, mark, h('b', page.product.productName), h('span', t('title'))),
    h('div.tools',
      h('label.vh', { for: 'language' }, t('language')),
      select(Object.entries(LANGUAGES), currentLanguage(), { id: 'language', 'data-key': 'language', onchange: switchLanguage }),
      themeButton(),
      page.signedIn && tool(t('signout'), 'out', { 'data-key': 'signout', onclick: signOut }))));
}

/** @param {{ currentTarget: HTMLSelectElement }} event */
async function switchLanguage({ currentTarget: { value } }) {
  if (!isLanguage(value)) return;
  // Offline the other catalogue cannot come; the page stays as it is.
  await loadLanguage(value).then(() => rememberLanguage(value), () => announce(t('error.offline')));
  shell();
  draw();
  byId('language').focus();
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function themeButton() {
  return tool(t(isDark() ? 'theme.light' : 'theme.dark'), isDark() ? 'sun' : 'moon', { 'data-key': 'theme', onclick: switchTheme });
}

function switchTheme() {
  const theme = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem('rollcall.theme', theme); } catch { /* Not remembered, still switched. */ }
  header();
}

/** @param {{ currentTarget: HTMLButtonElement }} event */
async function signOut(event) {
  await submit(event.currentTarget, async () => {
    await api.signOut();
    page.signedIn = false;
    page.lost = false;
    history.replaceState(null, '', '#/');
    draw({ focus: true });
  }, (message) => announce(message));
}

/** What concerns every screen. */
function notice() {
  const unusable = page.signedIn && !page.usable && location.hash !== STORAGE;
  fill(byId('notice'),
    !page.reachable ? banner(t('offline.text'), button(t('offline.retry'), { kind: 'small', onclick: retry }))
      : unusable && banner(t('store.unusable'), h('a', { href: STORAGE }, t('store.title'))));
}

/**
 * @param {string} text
 * @param {HTMLElement} action
 */
function banner(text, action) {
  return h('div.banner', icon('warn'), h('span', text), action);
}

function retry() {
  window.dispatchEvent(new Event(EVENTS.retry));
  api.product().catch(() => {});
}

/** @param {boolean} reachable */
function reach(reachable) {
  if (reachable === page.reachable) return;
  page.reachable = reachable;
  notice();
  if (reachable) window.dispatchEvent(new Event(EVENTS.back));
  else probe();
}

/** A screen without a live part would not notice that the server is back. */
function probe() {
  setTimeout(() => { if (!page.reachable) api.product().catch(() => {}).finally(probe); }, 5000);
}

/**
 * A part of an address; a broken one names nothing, and the server says so.
 * @param {string} part
 */
function plain(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
}
