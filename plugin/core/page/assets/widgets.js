// The parts that every screen is made of.

import { ApiError, Offline, SignedOut } from './api.js';
import { fill, h, icon, uid } from './dom.js';
import { has, t } from './i18n.js';

/** Says something to everybody: seen for a moment, and read out by a screen reader. */
export function announce(text, { seen = true } = {}) {
  const region = document.getElementById('announcements');
  region.className = seen ? 'toast' : 'vh';
  // Emptied first, so that the same words twice are spoken twice.
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 30);
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => { region.textContent = ''; }, 5000);
}

/** A button, with an icon if one is named. */
export const button = (label, props) => pressed('button', label, { type: 'button', ...props });

/** A link that looks like one. */
export const link = (label, href, props) => pressed('a', label, { href, ...props });

const pressed = (tag, label, { icon: name, kind = '', ...props }) => h(tag, { class: `button ${kind}`, ...props }, name && icon(name), h('span', label));

/** A small button of an icon alone; its name is read out and shown at the pointer. */
export const tool = (name, sign, props) => h('button', { type: 'button', class: 'tool', title: name, 'aria-label': name, ...props }, icon(sign));

/** Copies what `text` gives at that moment; `what` names it to the screen reader. */
export function copyButton(what, text, { label = t('copy.it'), kind = '' } = {}) {
  const words = h('span', label);
  const node = h('button', { type: 'button', class: `button small ${kind}`, 'aria-label': label === t('copy.it') ? t('copy.what', { what }) : null, 'data-key': `copy-${what}` }, icon('copy'), words);
  node.addEventListener('click', async () => {
    const done = await copy(await text());
    announce(t(done ? 'copy.done' : 'copy.failed', { what }), { seen: !done });
    if (!done) return;
    node.classList.add('copied');
    node.firstChild.replaceWith(icon('check'));
    words.textContent = t('copy.short');
    setTimeout(() => {
      node.classList.remove('copied');
      node.firstChild.replaceWith(icon('copy'));
      words.textContent = label;
    }, 2000);
  });
  return node;
}

/** Label, control, hint and error as one. `control` gets its id and description here. */
export function field(label, control, { hint, quietLabel = false } = {}) {
  control.id ||= uid();
  const hintNode = hint && h('p.hint', { id: `${control.id}-hint` }, hint);
  const error = h('p.field-error', { id: `${control.id}-error`, hidden: true });
  const described = hint ? `${control.id}-hint` : '';
  if (described) control.setAttribute('aria-describedby', described);
  const node = h('div.field',
    h('label', { for: control.id, class: quietLabel ? 'vh' : null }, label), hintNode, control, error);
  node.fail = (message) => {
    error.hidden = !message;
    fill(error, message && icon('warn'), message && h('span', message));
    control.toggleAttribute('aria-invalid', false);
    if (message) control.setAttribute('aria-invalid', 'true');
    control.setAttribute('aria-describedby', `${described} ${message ? error.id : ''}`.trim());
    if (message) control.focus();
  };
  return node;
}

/** A search: the words in the field are its label, too. */
export function searchField(label, value, onsearch) {
  const input = h('input', { type: 'search', value, placeholder: label, oninput: () => onsearch(input.value) });
  return h('div.search', icon('search'), field(label, input, { quietLabel: true }));
}

/** A form; what is wrong with its fields they say themselves. */
export const form = (kind, onsubmit, ...children) => h('form', { class: kind, novalidate: true, onsubmit: (event) => { event.preventDefault(); onsubmit(); } }, children);

export function select(options, value, props) {
  return h('select', { ...props, value }, options.map(([id, label]) => h('option', { value: id }, label)));
}

/** Two or three choices side by side: radio buttons, one look. */
export function segments(legend, options, value, onpick, { hidden = true } = {}) {
  const name = uid();
  return h('fieldset.segments', h('legend', { class: hidden ? 'vh' : null }, legend),
    options.map(([id, label]) => h('label',
      h('input', { type: 'radio', name, value: id, checked: id === value, class: 'vh', onchange: () => onpick(id) }), h('span', label))));
}

const ICONS = { good: 'ok', bad: 'bad', warn: 'warn', info: 'info', quiet: 'off', busy: 'clock' };
/** The icon of a tone: it says without colour what the colour says. */
export const toneIcon = (tone, extra) => icon(ICONS[tone], extra);

/** A state as a word. */
export const badge = (tone, label) => h('span', { class: `badge ${tone}` }, toneIcon(tone), h('span', label));

/** A state as a heading with what it means. */
export const state = (tone, title, ...texts) => h('div', { class: `state ${tone}` }, toneIcon(tone, 'big'), h('div', h('h2', title), texts));

export const note = (tone, ...children) => h('div', { class: `note ${tone}` }, toneIcon(tone), h('div', children));

/** A place for complaints, read out as they come: `say` shows one, or none. */
export function alarm() {
  const node = h('div', { role: 'alert' });
  node.say = (message) => fill(node, message && note('bad', h('p', message)));
  return node;
}

export function card(title, ...children) {
  const id = uid();
  return h('section.card', { 'aria-labelledby': title && id }, title && h('h2', { id }, title), children);
}

/** Something that ends for good: what, and the button for it. */
export const dangerCard = (title, text, label, props) => h('section.card.danger', h('div.head', h('div', h('h2', title), h('p.hint', text)),
  button(label, { kind: 'danger', icon: 'trash', ...props })));

/** The way back up. */
export const crumbs = (label, href, name = label) => h('nav.crumbs', { 'aria-label': name }, h('a', { href }, icon('left'), h('span', label)));

export function facts(pairs) {
  return h('dl.facts', pairs.filter(Boolean).map(([name, value]) => h('div', h('dt', name), h('dd', value))));
}

export function empty(title, text, ...actions) {
  return h('div.empty', h('div.empty-mark', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i')),
    h('h2', title), text && h('p', text), actions.length > 0 && h('div.row.center', actions));
}

/**
 * A table: the names of its columns, and of each row the cells, the first of which heads it. A name that starts with # heads
 * numbers. `cards` makes a card of each row where there is little room, `small` saves room.
 */
export function table(names, rows, kind = 'cards') {
  const columns = names.map((name) => [name.replace('#', ''), name.startsWith('#') && 'num']);
  return h(`table.table.${kind}`,
    h('thead', h('tr', columns.map(([name, type]) => h('th', { scope: 'col', class: type }, name)))),
    h('tbody', rows.map(([head, ...cells]) => h('tr', h('th', { scope: 'row' }, head),
      cells.map((cell, i) => h('td', { 'data-label': columns[i + 1][0], class: columns[i + 1][1] }, h('div.break', cell)))))));
}

/** A part of a whole as a bar, and where `limit` is; `fill` shows another part. */
export function meter(tone, share, props, limit) {
  const node = h('div', { class: `meter ${tone}`, ...props }, h('i'), limit && h('b'));
  node.fill = (part) => {
    node.firstChild.style.width = percent(part);
    if (props.role === 'progressbar') node.setAttribute('aria-valuenow', Math.floor(part * 100));
  };
  node.fill(share);
  if (limit) node.lastChild.style.left = percent(limit);
  return node;
}
const percent = (share) => `${Math.min(100, share * 100)}%`;

/** Grey lines while something loads; silent at first, so that a quick answer does not flicker. */
export const loading = (lines = 4) => h('div.loading', { role: 'status' }, h('span.vh', t('loading')),
  Array.from({ length: lines }, () => h('i', { 'aria-hidden': 'true' })));

/** What went wrong, in the reader's words. */
export function complaint(error) {
  if (error instanceof Offline) return t('error.offline');
  if (error instanceof ApiError) {
    if (has(`error.${error.code}`)) return t(`error.${error.code}`, { n: error.retryAfter });
    if (error.status === 404) return t('error.missing');
    return error.message ? t('error.said', { message: error.message }) : t('error.status', { status: String(error.status) });
  }
  return t('error.page');
}

/** Shows `loading`, then what `task` returns, or the error with a button to try again. Ends with `signal`, as a screen does. */
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
    if (error instanceof Offline) window.addEventListener('rollcall:back', again, { once: true, signal });
    fill(place, h('div.empty', { role: 'alert' }, icon('warn', 'big'), h(document.querySelector('main h1') ? 'h2' : 'h1', null, t('error.title')), h('p', complaint(error)),
      h('div.row.center', button(t('again'), { icon: 'loop', onclick: again }))));
  }
}

/** Runs a change behind a button: busy meanwhile, and the complaint where the button is. Gives nothing if it failed. */
export async function submit(trigger, task, fail) {
  const focused = trigger === document.activeElement;
  trigger.disabled = true;
  trigger.classList.add('busy');
  try {
    return await task() ?? true;
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
 * A dialog with one action. When `action` is done the dialog closes, and `onDone` hears what it gave. With `typed` the action is
 * possible only after this text was typed. `relabel` of what is returned names the action anew.
 *
 * What has begun cannot be cancelled: *Cancel* and Esc are without effect until it has come to its end. An action that is
 * `stoppable` gets a signal, and *Cancel* becomes *Stop*: that, Esc, and whatever else closes the dialog abort the signal, and
 * the action ends when it can. `onLeave` follows when the dialog closes and the action was not done.
 */
export function dialog({ title, body, confirm, kind = 'primary', typed, action, onDone, stoppable = false, onLeave }) {
  const id = uid();
  let running = null;
  let done = false;
  const halt = () => {
    running.abort();
    if (stoppable) name(leave, t('stopping'));
    leave.disabled = true;
  };
  const go = button(confirm, { kind, type: 'submit', disabled: Boolean(typed) });
  const leave = button(t('cancel'), { onclick: () => { if (running) halt(); else node.close(); } });
  const problem = alarm();
  const input = typed && h('input', { autocomplete: 'off', spellcheck: 'false' });
  input?.addEventListener('input', () => { go.disabled = input.value.trim() !== typed; });

  const perform = async () => {
    if (running || (typed && input.value.trim() !== typed)) return;
    running = new AbortController();
    problem.say();
    name(leave, t(stoppable ? 'stop' : 'cancel'));
    leave.disabled = !stoppable;
    if (input) input.readOnly = true;
    if (stoppable && go === document.activeElement) leave.focus();
    const given = await submit(go, () => action(running.signal), (message) => (node.isConnected ? problem.say(message) : announce(message)));
    running = null;
    if (input) input.readOnly = false;
    name(leave, t('cancel'));
    leave.disabled = false;
    if (given !== undefined) {
      done = true;
      node.close();
      onDone(given);
    } else if (!node.isConnected) onLeave?.();
  };

  const node = h('dialog', {
    'aria-labelledby': id,
    oncancel: (event) => { if (running) { event.preventDefault(); halt(); } },
    // A browser may close a dialog on its own, as at the second Esc in a row; what runs then ends by itself.
    onclose: () => {
      node.remove();
      if (running) halt();
      else if (!done) onLeave?.();
    },
  },
  form('', perform, h('h2', { id }, title), h('div.dialog-body.stack', body, typed && field(t('typed.label', { name: typed }), input), problem),
    h('div.row.end', leave, go)));
  document.body.append(node);
  node.showModal();
  return { relabel: (label) => name(go, label) };
}

/** Gives a button another label. */
const name = (node, label) => { node.querySelector('span').textContent = label; };

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
    focused?.focus();
    return done;
  }
}
