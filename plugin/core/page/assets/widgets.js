// @ts-check
// The parts that every screen is made of.

/** @import { Child, IconName, Props } from './dom.js' */
/** @typedef {keyof typeof ICONS} Tone */
/** @typedef {[string, string][]} Options the value and the words of each choice */
/** @typedef {{ icon?: IconName, kind?: string }} ButtonLook */

import { ApiError, EVENTS, Offline, SignedOut } from './api.js';
import { byId, fill, find, h, icon, uid } from './dom.js';
import { has, t } from './i18n.js';

/** @type {number | undefined} */
let announced;

/**
 * Says something to everybody: seen for a moment, and read out by a screen reader.
 * @param {string} text
 * @param {{ seen?: boolean }} [how]
 */
export function announce(text, { seen = true } = {}) {
  const region = byId('announcements');
  region.className = seen ? 'toast' : 'vh';
  // Emptied first, so that the same words twice are spoken twice.
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 30);
  clearTimeout(announced);
  announced = setTimeout(() => { region.textContent = ''; }, 5000);
}

/**
 * A button, with an icon if one is named.
 * @param {string} label
 * @param {ButtonLook & Props<HTMLButtonElement>} [props]
 */
export function button(label, { icon: name, kind = '', ...props } = {}) {
  return h('button', { type: 'button', class: `button ${kind}`, ...props }, name && icon(name), h('span', label));
}

/**
 * A link that looks like a button.
 * @param {string} label
 * @param {string} href
 * @param {ButtonLook & Props<HTMLAnchorElement>} [props]
 */
export function link(label, href, { icon: name, kind = '', ...props } = {}) {
  return h('a', { href, class: `button ${kind}`, ...props }, name && icon(name), h('span', label));
}

/**
 * A small button of an icon alone; its name is read out and shown at the pointer.
 * @param {string} name
 * @param {IconName} sign
 * @param {Props<HTMLButtonElement>} props
 */
export const tool = (name, sign, props) => h('button', { type: 'button', class: 'tool', title: name, 'aria-label': name, ...props }, icon(sign));

/**
 * Copies what `text` gives at that moment; `what` names it to the screen reader.
 * @param {string} what
 * @param {() => string} text
 * @param {{ label?: string, kind?: string }} [look]
 */
export function copyButton(what, text, { label = t('copy.it'), kind = '' } = {}) {
  const words = h('span', label);
  let sign = icon('copy');
  const name = label === t('copy.it') ? t('copy.what', { what }) : null;
  const node = h('button', { type: 'button', class: `button small ${kind}`, 'aria-label': name, 'data-key': `copy-${what}` }, sign, words);
  /** @type {(name: IconName, label: string) => void} */
  const show = (name, label) => {
    const next = icon(name);
    sign.replaceWith(next);
    sign = next;
    words.textContent = label;
  };
  const restore = () => {
    node.classList.remove('copied');
    show('copy', label);
  };
  node.addEventListener('click', async () => {
    const done = await copy(text());
    announce(t(done ? 'copy.done' : 'copy.failed', { what }), { seen: !done });
    if (!done) return;
    node.classList.add('copied');
    show('check', t('copy.short'));
    setTimeout(restore, 2000);
  });
  return node;
}

/**
 * Label, control, hint and error as one. `control` gets its id and description here; `.fail(message)` shows what is wrong
 * with it, or nothing.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {{ hint?: string, quietLabel?: boolean }} [look]
 */
export function field(label, control, { hint, quietLabel = false } = {}) {
  control.id ||= uid();
  const hintNode = hint && h('p.hint', { id: `${control.id}-hint` }, hint);
  const error = h('p.field-error', { id: `${control.id}-error`, hidden: true });
  const described = hint ? `${control.id}-hint` : '';
  if (described) control.setAttribute('aria-describedby', described);
  /** @param {string} message */
  const fail = (message) => {
    error.hidden = !message;
    fill(error, message && icon('warn'), message && h('span', message));
    control.toggleAttribute('aria-invalid', false);
    if (message) control.setAttribute('aria-invalid', 'true');
    control.setAttribute('aria-describedby', `${described} ${message ? error.id : ''}`.trim());
    if (message) control.focus();
  };
  return Object.assign(h('div.field',
    h('label', { for: control.id, class: quietLabel ? 'vh' : null }, label), hintNode, control, error), { fail });
}

/**
 * A search: the words in the field are its label, too.
 * @param {string} label
 * @param {string} value
 * @param {(words: string) => void} onsearch
 */
export function searchField(label, value, onsearch) {
  const input = h('input', { type: 'search', value, placeholder: label, oninput: (event) => onsearch(event.currentTarget.value) });
  return h('div.search', icon('search'), field(label, input, { quietLabel: true }));
}

/**
 * A form; what is wrong with its fields they say themselves.
 * @param {string} kind
 * @param {() => unknown} onsubmit
 * @param {...Child} children
 */
export function form(kind, onsubmit, ...children) {
  /** @param {Event} event */
  const submitted = (event) => {
    event.preventDefault();
    onsubmit();
  };
  return h('form', { class: kind, novalidate: true, onsubmit: submitted }, children);
}

/**
 * @param {Options} options
 * @param {string} value
 * @param {Props<HTMLSelectElement>} [props]
 */
export function select(options, value, props) {
  return h('select', { ...props, value }, options.map(([id, label]) => h('option', { value: id }, label)));
}

/**
 * Two or three choices side by side: radio buttons, one look.
 * @template {string} T
 * @param {string} legend
 * @param {[T, string][]} options
 * @param {T} value
 * @param {(value: T) => void} onpick
 * @param {{ hidden?: boolean }} [look] whether the legend is only read out
 */
export function segments(legend, options, value, onpick, { hidden = true } = {}) {
  const name = uid();
  return h('fieldset.segments', h('legend', { class: hidden ? 'vh' : null }, legend),
    options.map(([id, label]) => h('label',
      h('input', { type: 'radio', name, value: id, checked: id === value, class: 'vh', onchange: () => onpick(id) }), h('span', label))));
}

/** @type {Record<'good' | 'bad' | 'warn' | 'info' | 'quiet' | 'busy', IconName>} */
const ICONS = { good: 'ok', bad: 'bad', warn: 'warn', info: 'info', quiet: 'off', busy: 'clock' };
/**
 * The icon of a tone: it says without colour what the colour says.
 * @param {Tone} tone
 * @param {string} [extra]
 */
export const toneIcon = (tone, extra) => icon(ICONS[tone], extra);

/**
 * A state as a word.
 * @param {Tone} tone
 * @param {string} label
 */
export const badge = (tone, label) => h('span', { class: `badge ${tone}` }, toneIcon(tone), h('span', label));

/**
 * A state as a heading with what it means.
 * @param {Tone} tone
 * @param {string} title
 * @param {...Child} texts
 */
export function state(tone, title, ...texts) {
  return h('div', { class: `state ${tone}` }, toneIcon(tone, 'big'), h('div', h('h2', title), texts));
}

/**
 * @param {Tone} tone
 * @param {...Child} children
 */
export const note = (tone, ...children) => h('div', { class: `note ${tone}` }, toneIcon(tone), h('div', children));

/** A place for complaints, read out as they come: `say` shows one, or none. */
export function alarm() {
  const node = h('div', { role: 'alert' });
  /** @param {string} [message] */
  const say = (message) => fill(node, message && note('bad', h('p', message)));
  return Object.assign(node, { say });
}

/**
 * @param {string | null} title
 * @param {...Child} children
 */
export function card(title, ...children) {
  const id = uid();
  return h('section.card', { 'aria-labelledby': title && id }, title && h('h2', { id }, title), children);
}

/**
 * Something that ends for good: what, and the button for it.
 * @param {string} title
 * @param {string} text
 * @param {string} label
 * @param {Props<HTMLButtonElement>} props
 */
export function dangerCard(title, text, label, props) {
  return h('section.card.danger', h('div.head', h('div', h('h2', title), h('p.hint', text)),
    button(label, { kind: 'danger', icon: 'trash', ...props })));
}

/**
 * The way back up.
 * @param {string} label
 * @param {string} href
 * @param {string} [name]
 */
export function crumbs(label, href, name = label) {
  return h('nav.crumbs', { 'aria-label': name }, h('a', { href }, icon('left'), h('span', label)));
}

/** @param {([name: string, value: Child] | false | null | undefined | 0 | '')[]} pairs */
export function facts(pairs) {
  return h('dl.facts', pairs.map((pair) => pair && h('div', h('dt', pair[0]), h('dd', pair[1]))));
}

/**
 * @param {string} title
 * @param {string | null} text
 * @param {...Child} actions
 */
export function empty(title, text, ...actions) {
  return h('div.empty', h('div.empty-mark', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i')),
    h('h2', title), text && h('p', text), actions.length > 0 && h('div.row.center', actions));
}

/**
 * A table: the names of its columns, and of each row the cells, the first of which heads it. A name that starts with # heads
 * numbers. `cards` makes a card of each row where there is little room, `small` saves room.
 * @param {string[]} names
 * @param {Child[][]} rows
 * @param {'cards' | 'small' | 'cards small' | 'mappings'} [kind]
 */
export function table(names, rows, kind = 'cards') {
  const columns = names.map((name) => ({ name: name.replace('#', ''), type: name.startsWith('#') && 'num' }));
  return h(`table.table.${kind}`,
    h('thead', h('tr', columns.map(({ name, type }) => h('th', { scope: 'col', class: type }, name)))),
    h('tbody', rows.map(([head, ...cells]) => h('tr', h('th', { scope: 'row' }, head),
      cells.map((cell, i) => h('td', { 'data-label': columns[i + 1].name, class: columns[i + 1].type }, h('div.break', cell)))))));
}

/**
 * A part of a whole as a bar, and where `limit` is; `.fill(share)` shows another part.
 * @param {Tone} tone
 * @param {number} share
 * @param {Props<HTMLDivElement>} props
 * @param {number} [limit]
 */
export function meter(tone, share, props, limit) {
  const bar = h('i');
  const mark = limit ? h('b') : null;
  const node = h('div', { class: `meter ${tone}`, ...props }, bar, mark);
  if (limit && mark) mark.style.left = percent(limit);
  /** @param {number} part */
  const show = (part) => {
    bar.style.width = percent(part);
    if (props.role === 'progressbar') node.setAttribute('aria-valuenow', String(Math.floor(part * 100)));
  };
  show(share);
  return Object.assign(node, { fill: show });
}

/** @param {number} share */
const percent = (share) => `${Math.min(100, share * 100)}%`;

/**
 * Grey lines while something loads; silent at first, so that a quick answer does not flicker.
 * @param {number} [lines]
 */
export const loading = (lines = 4) => h('div.loading', { role: 'status' }, h('span.vh', t('loading')),
  Array.from({ length: lines }, () => h('i', { 'aria-hidden': 'true' })));

/**
 * What went wrong, in the reader's words.
 * @param {unknown} error
 */
export function complaint(error) {
  if (error instanceof Offline) return t('error.offline');
  if (error instanceof ApiError) {
    if (has(`error.${error.code}`)) return t(`error.${error.code}`, { n: error.retryAfter });
    if (error.status === 404) return t('error.missing');
    return error.message ? t('error.said', { message: error.message }) : t('error.status', { status: String(error.status) });
  }
  return t('error.page');
}

/**
 * Shows `loading`, then what `task` returns, or the error with a button to try again. Ends with `signal`, as a screen does.
 * @param {HTMLElement} place
 * @param {() => Promise<Child | void>} task
 * @param {{ signal?: AbortSignal, lines?: number }} [how]
 */
export async function load(place, task, { signal, lines } = {}) {
  fill(place, loading(lines));
  try {
    const nodes = await task();
    if (!signal?.aborted && nodes) fill(place, nodes);
  } catch (error) {
    if (signal?.aborted || error instanceof SignedOut) return;
    if (!(error instanceof ApiError || error instanceof Offline)) console.error(error);
    const again = () => load(place, task, { signal, lines });
    // Comes back by itself as soon as the server is reached again.
    if (error instanceof Offline) window.addEventListener(EVENTS.back, again, { once: true, signal });
    const heading = document.querySelector('main h1') ? 'h2' : 'h1';
    fill(place, h('div.empty', { role: 'alert' }, icon('warn', 'big'), h(heading, t('error.title')), h('p', complaint(error)),
      h('div.row.center', button(t('again'), { icon: 'loop', onclick: again }))));
  }
}

/**
 * What a change gave, if it was done: true instead of nothing.
 * @template T
 * @typedef {T extends null | undefined | void ? true : T} Done
 */

/**
 * Runs a change behind a button: busy meanwhile, and the complaint where the button is. Gives nothing if it failed.
 * @template T
 * @param {HTMLButtonElement} trigger
 * @param {() => Promise<T>} task
 * @param {(message: string, error: unknown) => void} fail
 * @returns {Promise<Done<T> | undefined>}
 */
export async function submit(trigger, task, fail) {
  const focused = trigger === document.activeElement;
  trigger.disabled = true;
  trigger.classList.add('busy');
  try {
    return /** @type {Done<T>} */ (await task() ?? true);
  } catch (error) {
    if (!(error instanceof SignedOut)) fail(complaint(error), error);
    return undefined;
  } finally {
    trigger.disabled = false;
    trigger.classList.remove('busy');
    // What is disabled loses the focus; who pressed it goes on from there, unless the task led elsewhere.
    if (focused && document.activeElement === document.body) trigger.focus();
  }
}

/**
 * How a dialog looks: with `typed` its action is possible only after this text was typed.
 * @typedef {{ title: string, confirm: string, kind?: string, typed?: string }} DialogLook
 */

/**
 * What a dialog does.
 * @typedef {{
 *   body: Child,
 *   action: (stop: AbortSignal) => Promise<unknown>,
 *   onDone: () => void,
 *   onLeave?: () => void,
 *   stoppable?: boolean,
 * }} DialogWork
 */

/**
 * A dialog with one action. When `action` is done the dialog closes, and `onDone` follows; an action that gives `false` was
 * not done, and the dialog stays. `relabel` of what is returned names the action anew.
 *
 * What has begun cannot be cancelled: *Cancel* and Esc are without effect until it has come to its end. An action that is
 * `stoppable` gets a signal, and *Cancel* becomes *Stop*: that, Esc, and whatever else closes the dialog abort the signal, and
 * the action ends when it can. `onLeave` follows when the dialog closes and the action was not done.
 * @param {DialogLook & DialogWork} dialog
 */
export function dialog({ title, body, confirm, kind = 'primary', typed, action, onDone, stoppable = false, onLeave }) {
  const id = uid();
  /** @type {AbortController | null} */
  let running = null;
  let done = false;
  const halt = () => {
    running?.abort();
    if (stoppable) relabel(leave, t('stopping'));
    leave.disabled = true;
  };
  const go = button(confirm, { kind, type: 'submit', disabled: Boolean(typed) });
  const leave = button(t('cancel'), { onclick: () => (running ? halt() : node.close()) });
  const problem = alarm();
  const input = typed ? h('input', { autocomplete: 'off', spellcheck: 'false' }) : null;
  const confirmed = () => input === null || input.value.trim() === typed;
  input?.addEventListener('input', () => { go.disabled = !confirmed(); });

  const perform = async () => {
    if (running || !confirmed()) return;
    running = new AbortController();
    const { signal } = running;
    problem.say();
    relabel(leave, t(stoppable ? 'stop' : 'cancel'));
    leave.disabled = !stoppable;
    if (input) input.readOnly = true;
    if (stoppable && go === document.activeElement) leave.focus();
    const given = await submit(go, () => action(signal), (message) => (node.isConnected ? problem.say(message) : announce(message)));
    running = null;
    if (input) input.readOnly = false;
    relabel(leave, t('cancel'));
    leave.disabled = false;
    if (given) {
      done = true;
      node.close();
      onDone();
    } else if (!node.isConnected) onLeave?.();
  };

  /** @param {Event} event */
  const cancelled = (event) => {
    if (!running) return;
    event.preventDefault();
    halt();
  };
  // A browser may close a dialog on its own, as at the second Esc in a row; what runs then ends by itself.
  const closed = () => {
    node.remove();
    if (running) halt();
    else if (!done) onLeave?.();
  };
  const node = h('dialog', { 'aria-labelledby': id, oncancel: cancelled, onclose: closed },
    form('', perform, h('h2', { id }, title),
      h('div.dialog-body.stack', body, input && field(t('typed.label', { name: typed }), input), problem),
      h('div.row.end', leave, go)));
  document.body.append(node);
  node.showModal();
  return { relabel: (/** @type {string} */ label) => relabel(go, label) };
}

/**
 * Gives a button another label.
 * @param {HTMLElement} node
 * @param {string} label
 */
export function relabel(node, label) {
  const words = find(node, 'span');
  if (words) words.textContent = label;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https the clipboard interface is missing; the old way still works after a click.
    const area = h('textarea.vh', { 'aria-hidden': 'true' }, text);
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    const focused = document.activeElement;
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}
