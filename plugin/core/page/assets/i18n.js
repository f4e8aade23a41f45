// Language: one catalogue per language, dates and numbers by Intl.
// A message is `group.key`: a string with {places}, or [one, other] chosen by the plural rule of the place `n`.
// A place that the caller does not fill is a word of the identity provider (see `speak`) or a sentence of the group `part`.
// `**word**` marks a name that stands on a screen of the identity provider; `rich` renders it.

import { h } from './dom.js';

/** Languages with a catalogue, each by its own name. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };
const STORED = 'rollcall.language';

let language = 'en';
let messages = {};
let words = {};
let plurals = new Intl.PluralRules('en');
let skew = 0;

/** The language of the page now. */
export const currentLanguage = () => language;

/** Loads the remembered language, or the first of the browser's that has a catalogue. */
export function startLanguage() {
  const wanted = [remembered(), ...(navigator.languages ?? [navigator.language])];
  const found = wanted.map((tag) => (tag ?? '').slice(0, 2)).find((tag) => tag in LANGUAGES);
  return loadLanguage(found ?? 'en');
}

/** Loads a catalogue and makes it the page's language. */
export async function loadLanguage(tag) {
  messages = (await import(`./messages/${tag}.js`)).default;
  language = tag;
  plurals = new Intl.PluralRules(tag);
  document.documentElement.lang = tag;
}

/** Remembers the choice for the next visit. */
export function rememberLanguage(tag) {
  try { localStorage.setItem(STORED, tag); } catch { /* Not remembered, still switched. */ }
}

/** Makes a provider's words the ones that messages speak with: `{idp}`, where its screens are, how its fields are called. */
export function speak({ fields, words: both }) {
  words = Object.fromEntries(Object.entries(both).map(([tag, own]) => [tag, { ...own, urlField: fields.url, tokenField: fields.token }]));
}

/** A text of a guide in the page's language. */
export const ours = (both) => both[language];

/** The message as text. */
export const t = (key, places = {}) => pieces(key, places).map(String).join('');

/** The message as nodes: places may be elements, `**x**` becomes a name of the provider's screen. */
export const rich = (key, places = {}) => marked(pieces(key, places));

/** A text that is not in the catalogue, the same way. */
export const richText = (text, places = {}) => marked(fillPlaces(text, places));

function marked(parts) {
  let open = false;
  return parts.flatMap((piece) => typeof piece !== 'string' ? [piece]
    : piece.split('**').flatMap((part, i) => {
      if (i > 0) open = !open;
      return part === '' ? [] : [open ? h('b.ui', part) : part];
    }));
}

/** Reason, explanation and steps of a failure: three texts under one key. */
export const reason = (key) => messages.why[key].map((text) => fillPlaces(text, {}).join(''));

/** Whether the catalogue has the key: for words that depend on the server's vocabulary. */
export const has = (key) => find(key) !== undefined;

export const number = (n) => new Intl.NumberFormat(language).format(n);
export const percent = (share) => new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: share > 0 && share < 0.01 ? 1 : 0 }).format(share);
export const date = (iso) => format(iso, { dateStyle: 'long' });
export const clock = (iso) => format(iso, { timeStyle: 'medium' });
export const hour = (iso) => format(iso, { hour: '2-digit', minute: '2-digit' });
export const day = (iso) => format(iso, { day: 'numeric', month: 'short' });
export const exact = (iso) => format(iso, { dateStyle: 'medium', timeStyle: 'medium' });

/** Durations of requests: microseconds in the log, milliseconds to the reader. */
export function milliseconds(us) {
  const ms = us / 1000;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: ms < 10 ? 1 : 0 }).format(ms)} ms`;
}

/** Length of a span in the largest sensible unit. */
export function span(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size * 0.95) ?? ['second', 1];
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(Math.round(seconds / size));
}

/** The server's clock leads: relative times stay right on a machine whose clock does not. */
export function learnServerTime(iso) {
  if (iso) skew = Date.parse(iso) - Date.now();
}
export const now = () => Date.now() + skew;

/** "3 minutes ago", "in 12 minutes". */
export function relative(iso) {
  const seconds = (Date.parse(iso) - now()) / 1000;
  if (Math.abs(seconds) < 8) return t('time.now');
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size * 0.95) ?? ['second', 1];
  if (unit === 'day' && Math.abs(seconds) > 45 * 86400) return date(iso);
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

/** A moment: relative on the face, exact in the title and in the accessible name. */
export function when(iso, { withClock = false } = {}) {
  if (!iso) return h('span.muted', t('time.never'));
  return h('time', { datetime: iso, title: exact(iso), class: withClock ? 'when with-clock' : 'when' },
    h('span', { 'data-relative': iso }, relative(iso)),
    h('span.vh', ` (${exact(iso)})`),
    withClock && h('span.clock', { 'aria-hidden': 'true' }, clock(iso)));
}

/** Keeps every relative time of the page true. */
export function refreshTimes() {
  for (const node of document.querySelectorAll('[data-relative]')) {
    const text = relative(node.dataset.relative);
    if (node.textContent !== text) node.textContent = text;
  }
}

const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

function format(iso, options) {
  return new Intl.DateTimeFormat(language, options).format(new Date(iso));
}

function find(key) {
  const dot = key.indexOf('.');
  return dot < 0 ? messages[key] : messages[key.slice(0, dot)]?.[key.slice(dot + 1)];
}

function pieces(key, places) {
  const found = find(key) ?? key;
  const message = typeof found === 'string' ? found : found[plurals.select(places.n) === 'one' ? 0 : 1];
  return fillPlaces(message, places);
}

/** What stands in a place may have places itself; at the beginning of a sentence it begins with a capital. */
function fillPlaces(message, places) {
  let before = '';
  return message.split(/\{(\w+)\}/).map((part, i) => {
    if (i % 2 === 0) return (before = part);
    if (part in places) return typeof places[part] === 'number' ? number(places[part]) : places[part] ?? '';
    const text = fillPlaces(words[language]?.[part] ?? messages.part[part] ?? '', places).join('');
    return /(^|[.!?]\s|\n)$/.test(before) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  });
}

function remembered() {
  try { return localStorage.getItem(STORED); } catch { return null; }
}
