// @ts-check
// Language: one catalogue per language, dates and numbers by Intl.
// A message is `group.key`: a string with {places}, or [one, other] chosen by the plural rule of the place `n`.
// A place that the caller does not fill is a word of the identity provider (see `speak`) or a sentence of the group `part`.
// `**word**` marks a name that stands on a screen of the identity provider; `rich` renders it.

import { h } from './dom.js';

/** @typedef {Record<string, string | number | Node | null | undefined>} Places */

/**
 * @typedef {string | [one: string, other: string]} Message
 * @typedef {Record<string, [short: string, why: string, steps: string]>} Reasons
 * @typedef {{ [key: string]: Message | Record<string, Message> | Reasons, part: Record<string, string>, why: Reasons }} Catalogue
 */

/** @typedef {keyof Api.Translated<string>} Language */

/**
 * Languages with a catalogue, each by its own name.
 * @type {Api.Translated<string>}
 */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };
const STORED = 'rollcall.language';

/** @type {Language} */
let language = 'en';
/** @type {Catalogue} */
let messages = { part: {}, why: {} };
/** @type {Partial<Api.Translated<Record<string, string>>>} */
let words = {};
let plurals = new Intl.PluralRules('en');
let skew = 0;

/** The language of the page now. */
export const currentLanguage = () => language;

/** Loads the remembered language, or the first of the browser's that has a catalogue. */
export function startLanguage() {
  const wanted = [remembered(), ...(navigator.languages ?? [navigator.language])];
  const found = wanted.map((tag) => (tag ?? '').slice(0, 2)).find(isLanguage);
  return loadLanguage(found ?? 'en');
}

/**
 * Whether there is a catalogue of the language.
 * @param {string} tag
 * @returns {tag is Language}
 */
export const isLanguage = (tag) => tag in LANGUAGES;

/**
 * Loads a catalogue and makes it the page's language.
 * @param {Language} tag
 */
export async function loadLanguage(tag) {
  /** @type {{ default: Catalogue }} */
  const loaded = await import(`./messages/${tag}.js`);
  messages = loaded.default;
  language = tag;
  plurals = new Intl.PluralRules(tag);
  document.documentElement.lang = tag;
}

/**
 * Remembers the choice for the next visit.
 * @param {Language} tag
 */
export function rememberLanguage(tag) {
  try { localStorage.setItem(STORED, tag); } catch { /* Not remembered, still switched. */ }
}

/**
 * Makes a provider's words the ones that messages speak with: `{idp}`, where its screens are, how its fields are called.
 * @param {Api.Guide} guide
 */
export function speak({ fields, words: { en, de } }) {
  const own = { urlField: fields.url, tokenField: fields.token };
  words = { en: { ...en, ...own }, de: { ...de, ...own } };
}

/**
 * A text of a guide in the page's language.
 * @template T
 * @param {Api.Translated<T>} both
 */
export const ours = (both) => both[language];

/**
 * The message as text.
 * @param {string} key
 * @param {Places} [places]
 */
export const t = (key, places = {}) => pieces(key, places).map(String).join('');

/**
 * The message as nodes: places may be elements, `**x**` becomes a name of the provider's screen.
 * @param {string} key
 * @param {Places} [places]
 */
export const rich = (key, places = {}) => marked(pieces(key, places));

/**
 * A text that is not in the catalogue as nodes, with places and names.
 * @param {string} text
 * @param {Places} [places]
 */
export const richText = (text, places = {}) => marked(fillPlaces(text, places));

/**
 * @param {(string | Node)[]} parts
 * @returns {(string | Node)[]}
 */
function marked(parts) {
  let open = false;
  /** @type {(text: string) => (string | Node)[]} */
  const names = (text) => text.split('**').flatMap((part, i) => {
    if (i > 0) open = !open;
    return part === '' ? [] : [open ? h('b.ui', part) : part];
  });
  return parts.flatMap((piece) => typeof piece === 'string' ? names(piece) : [piece]);
}

/**
 * Reason, explanation and steps of a failure: three texts under one key.
 * @param {string} key
 */
export const reason = (key) => messages.why[key].map((text) => fillPlaces(text, {}).join(''));

/**
 * Whether the catalogue has the key: for words that depend on the server's vocabulary.
 * @param {string} key
 */
export const has = (key) => find(key) !== undefined;

/** @param {number} n */
export const number = (n) => new Intl.NumberFormat(language).format(n);

/** @param {number} share */
export function percent(share) {
  const maximumFractionDigits = share > 0 && share < 0.01 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits }).format(share);
}

/** @param {string} iso */
export const date = (iso) => format(iso, { dateStyle: 'long' });
/** @param {string} iso */
export const clock = (iso) => format(iso, { timeStyle: 'medium' });
/** @param {string} iso */
export const hour = (iso) => format(iso, { hour: '2-digit', minute: '2-digit' });
/** @param {string} iso */
export const day = (iso) => format(iso, { day: 'numeric', month: 'short' });
/** @param {string} iso */
export const exact = (iso) => format(iso, { dateStyle: 'medium', timeStyle: 'medium' });

/**
 * Durations of requests: microseconds in the log, milliseconds to the reader.
 * @param {number} us
 */
export function milliseconds(us) {
  const ms = us / 1000;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: ms < 10 ? 1 : 0 }).format(ms)} ms`;
}

/**
 * Length of a span in the largest sensible unit.
 * @param {number} seconds
 */
export function span(seconds) {
  const [unit, size] = unitOf(seconds);
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(Math.round(seconds / size));
}

/**
 * The server's clock leads: relative times stay right on a machine whose clock does not.
 * @param {string | null | undefined} iso
 */
export function learnServerTime(iso) {
  if (iso) skew = Date.parse(iso) - Date.now();
}
export const now = () => Date.now() + skew;

/**
 * "3 minutes ago", "in 12 minutes".
 * @param {string} iso
 */
export function relative(iso) {
  const seconds = (Date.parse(iso) - now()) / 1000;
  if (Math.abs(seconds) < 8) return t('time.now');
  const [unit, size] = unitOf(Math.abs(seconds));
  if (unit === 'day' && Math.abs(seconds) > 45 * 86400) return date(iso);
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

/**
 * A moment: relative on the face, exact in the title and in the accessible name.
 * @param {string | null | undefined} iso
 * @param {{ withClock?: boolean }} [look]
 */
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
    const text = relative(node.getAttribute('data-relative') ?? '');
    if (node.textContent !== text) node.textContent = text;
  }
}

/** @type {[unit: Intl.RelativeTimeFormatUnitSingular, seconds: number][]} */
const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60]];

/**
 * The largest unit that the span fills, or nearly.
 * @param {number} seconds
 * @returns {[unit: Intl.RelativeTimeFormatUnitSingular, seconds: number]}
 */
const unitOf = (seconds) => UNITS.find(([, size]) => seconds >= size * 0.95) ?? ['second', 1];

/**
 * @param {string} iso
 * @param {Intl.DateTimeFormatOptions} options
 */
function format(iso, options) {
  return new Intl.DateTimeFormat(language, options).format(new Date(iso));
}

/**
 * @param {string} key
 * @returns {Message | undefined}
 */
function find(key) {
  const dot = key.indexOf('.');
  const group = dot < 0 ? messages : messages[key.slice(0, dot)];
  const found = /** @type {Record<string, Message> | undefined} */ (group)?.[key.slice(dot + 1)];
  return typeof found === 'string' || Array.isArray(found) ? found : undefined;
}

/**
 * @param {string} key
 * @param {Places} places
 */
function pieces(key, places) {
  const found = find(key) ?? key;
  const message = typeof found === 'string' ? found : found[plurals.select(Number(places.n)) === 'one' ? 0 : 1];
  return fillPlaces(message, places);
}

/**
 * What stands in a place may have places itself; at the beginning of a sentence it begins with a capital.
 * @param {string} message
 * @param {Places} places
 * @returns {(string | Node)[]}
 */
function fillPlaces(message, places) {
  let before = '';
  return message.split(/\{(\w+)\}/).map((part, i) => {
    if (i % 2 === 0) return (before = part);
    if (part in places) return inPlace(places[part]);
    const text = fillPlaces(words[language]?.[part] ?? messages.part[part] ?? '', places).join('');
    return /(^|[.!?]\s|\n)$/.test(before) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  });
}

/** @param {Places[string]} value */
const inPlace = (value) => typeof value === 'number' ? number(value) : value ?? '';

function remembered() {
  try { return localStorage.getItem(STORED); } catch { return null; }
}
