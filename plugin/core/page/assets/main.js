// The page: header, routes, session. A route is a hash, so that the server serves one document.

import { Offline, api, onSession } from './api.js';
import { fill, h, icon } from './dom.js';
import { LANGUAGES, currentLanguage, loadLanguage, refreshTimes, rememberLanguage, startLanguage, t } from './i18n.js';
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

const page = { product: { productName: 'Rollcall', version: '' }, signedIn: false, lost: false, life: new AbortController(), reachable: true, usable: true };

onSession(
  () => { if (page.signedIn) { page.signedIn = false; page.lost = true; closeDialogs(); draw({ focus: true }); } },
  (reachable) => { if (reachable !== page.reachable) { page.reachable = reachable; reach(); } },
  askStore,
);
window.addEventListener('hashchange', () => { closeDialogs(); draw({ focus: true }); });
// A page that is left may come back as it was (bfcache): nothing goes on in it, and it is drawn anew.
window.addEventListener('pagehide', () => { closeDialogs(); page.life.abort(); });
window.addEventListener('pageshow', ({ persisted }) => { if (persisted) draw(); });
setInterval(refreshTimes, 5000);
start();

async function start() {
  await startLanguage();
  shell();
  await load(document.getElementById('main'), async () => {
    const [product, session] = await Promise.all([api.product(), api.session().catch((error) => { if (error instanceof Offline) throw error; return null; })]);
    page.product = product;
    page.signedIn = session !== null;
    shell();
    draw();
    if (session) askStore();
  }, page.life);
}

/** Whether the store can be used at all: asked once a visit, and when the server could not serve. */
function askStore() {
  if (page.asking) return;
  page.asking = true;
  api.store().then(tested, () => {}).finally(() => { page.asking = false; });
}

function tested(report) {
  page.usable = report?.usable ?? true;
  notice();
}

/** Draws the screen that the hash names. `focus` moves the focus to its heading, as a page load would. */
function draw({ focus = false } = {}) {
  page.life.abort();
  page.life = new AbortController();
  const main = document.getElementById('main');
  header();
  notice();
  const [path, query = ''] = location.hash.slice(1).split('?');
  const here = {
    signal: page.life.signal,
    product: page.product,
    query: new URLSearchParams(query),
    first: /^\/?$/.test(path),
    go: (hash, { replace = false } = {}) => { if (replace) { history.replaceState(null, '', hash); draw({ focus: true }); } else location.hash = hash; },
    redraw: () => draw({ focus: true }),
    tested,
    title: (text) => { document.title = [text, t('title')].filter(Boolean).join(' · '); },
  };
  // Filters live in the hash as well: they survive a reload and a lost session, and are no step of the history.
  here.keep = (query) => {
    const kept = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
    history.replaceState(null, '', `#${path}${kept.size ? `?${kept}` : ''}`);
  };
  if (!page.signedIn) {
    here.title(t('signin.go'));
    fill(main, signIn({ ...here, lost: page.lost, done: () => { page.signedIn = true; page.lost = false; draw({ focus: true }); askStore(); } }));
    if (!matchMedia('(max-width: 40rem)').matches || focus) main.querySelector('input')?.focus();
    return;
  }
  const [pattern, screen, tab] = ROUTES.find(([pattern]) => pattern.test(path)) ?? [/^/, missing];
  const parts = path.match(pattern).slice(1).map(plain);
  window.scrollTo(0, 0);
  if (tab) organizationFrame(main, { ...here, id: parts[0], part: parts[1], tab }, screen);
  else screen(main, here);
  if (focus) focusHeading(main, page.life.signal);
}

/** The heading may come with the first answer of the server: focus it then, unless the reader has moved on. */
function focusHeading(main, signal) {
  const focus = () => {
    const heading = main.querySelector('h1');
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

function missing(main, here) {
  here.title(t('missing.title'));
  fill(main, h('div.empty', h('h1', t('missing.title')), h('p', t('missing.text')), h('p', h('a', { href: '#/organizations' }, t('orgs.title')))));
}

function shell() {
  fill(document.getElementById('app'),
    h('a', { href: '#main', class: 'skip', onclick: (event) => { event.preventDefault(); document.getElementById('main').focus(); } }, t('skip')),
    h('header.top', { id: 'top' }),
    h('div', { id: 'notice', role: 'status' }),
    h('main', { id: 'main', tabindex: '-1' }),
    h('footer.foot', h('span', `${page.product.productName} ${page.product.version}`), h('span', t('title'))),
    h('div', { id: 'announcements', role: 'status', class: 'vh' }));
  header();
  notice();
}

function header() {
  fill(document.getElementById('top'), h('div.top-inner',
    h('a', { href: '#/organizations', class: 'brand' }, h('img.mark', { src: new URL('mark.svg', import.meta.url), alt: '' }), h('b', page.product.productName), h('span', t('title'))),
    h('div.tools',
      h('label.vh', { for: 'language' }, t('language')),
      select(Object.entries(LANGUAGES), currentLanguage(), { id: 'language', 'data-key': 'language', onchange: switchLanguage }),
      themeButton(),
      page.signedIn && tool(t('signout'), 'out', { 'data-key': 'signout', onclick: signOut }))));
}

async function switchLanguage({ target: { value } }) {
  // Offline the other catalogue cannot come; the page stays as it is.
  await loadLanguage(value).then(() => rememberLanguage(value), () => announce(t('error.offline')));
  shell();
  draw();
  document.getElementById('language').focus();
}

function themeButton() {
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  return tool(t(dark() ? 'theme.light' : 'theme.dark'), dark() ? 'sun' : 'moon', { 'data-key': 'theme', onclick: () => {
    const theme = dark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem('rollcall.theme', theme); } catch { /* Not remembered, still switched. */ }
    header();
  } });
}

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
  const retry = () => { window.dispatchEvent(new Event('rollcall:retry')); api.product().catch(() => {}); };
  const banner = (text, action) => h('div.banner', icon('warn'), h('span', text), action);
  fill(document.getElementById('notice'),
    page.reachable ? page.signedIn && !page.usable && location.hash !== STORAGE && banner(t('store.unusable'), h('a', { href: STORAGE }, t('store.title')))
      : banner(t('offline.text'), button(t('offline.retry'), { kind: 'small', onclick: retry })));
}

function reach() {
  notice();
  if (page.reachable) window.dispatchEvent(new Event('rollcall:back'));
  else probe();
}

/** A screen without a live part would not notice that the server is back. */
function probe() {
  setTimeout(() => { if (!page.reachable) api.product().catch(() => {}).finally(probe); }, 5000);
}

/** A part of an address; a broken one names nothing, and the server says so. */
function plain(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

function closeDialogs() {
  for (const open of document.querySelectorAll('dialog[open]')) open.close();
}
