// @ts-check
// Elements. Everything that comes from outside enters as text: there is no way to write markup here.

/**
 * What can be a child of an element; `false`, `null` and `undefined` are left out, lists are taken apart.
 * @typedef {Page.Child} Child
 */

/**
 * The attributes and listeners of an element.
 * @template {Element} E
 * @typedef {{
 *   onclick?: (event: MouseEvent & { currentTarget: E }) => unknown,
 *   oninput?: (event: Event & { currentTarget: E }) => unknown,
 *   onchange?: (event: Event & { currentTarget: E }) => unknown,
 *   onsubmit?: (event: SubmitEvent) => unknown,
 *   oncancel?: (event: Event) => unknown,
 *   onclose?: (event: Event) => unknown,
 *   [attribute: string]: string | number | boolean | null | undefined | ((event: never) => unknown),
 * }} Props
 */

/**
 * The element of a tag such as `p` or `p.hint`.
 * @template {string} T
 * @typedef {T extends `${infer Name}.${string}` ? Named<Name> : Named<T>} Made
 */

/**
 * @template {string} Name
 * @typedef {Name extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Name] : HTMLElement} Named
 */

/** @typedef {keyof typeof ICONS} IconName */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An HTML element: `h('p.hint', {title}, 'text', child)`; the properties may be left out.
 * `on…` properties are listeners; `false`, `null` and `undefined` leave a property or a child out.
 * @template {string} T
 * @param {T} tag
 * @param {[Props<Made<T>>, ...Child[]] | Child[]} rest
 * @returns {Made<T>}
 */
export function h(tag, ...rest) {
  return build((name) => /** @type {Made<T>} */ (document.createElement(name)), tag, rest);
}

/**
 * An SVG element.
 * @param {string} tag
 * @param {[Props<SVGElement>, ...Child[]] | Child[]} rest
 */
export function s(tag, ...rest) {
  return build((name) => /** @type {SVGElement} */ (document.createElementNS(SVG, name)), tag, rest);
}

/**
 * A line icon. It never stands alone: the words beside it carry the meaning.
 * @param {IconName} name
 * @param {string} [extra] a further class
 */
export function icon(name, extra = '') {
  return s('svg', { viewBox: '0 0 20 20', class: `icon ${extra}`, 'aria-hidden': 'true' }, s('path', { d: ICONS[name] }));
}

/**
 * Replaces the children and keeps the focus on the element with the same `data-key`.
 * @param {HTMLElement} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  const focused = document.activeElement;
  const key = focused instanceof HTMLElement && parent.contains(focused) ? focused.dataset.key : undefined;
  parent.replaceChildren(...nodes(children));
  if (key) find(parent, `[data-key="${CSS.escape(key)}"]`)?.focus();
}

/**
 * The first element below `parent` that the selector names.
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const find = (parent, selector) => parent.querySelector(selector);

/**
 * A part of the page's frame, which is always there.
 * @param {'app' | 'top' | 'notice' | 'main' | 'language' | 'announcements'} id
 */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

let serial = 0;
/** An id for label and description pairs. */
export const uid = () => `u${serial += 1}`;

/**
 * @template {Element} E
 * @param {(name: string) => E} create
 * @param {string} tag
 * @param {(Props<E> | Child)[]} rest
 * @returns {E}
 */
function build(create, tag, rest) {
  const [name, ...classes] = tag.split('.');
  const node = create(name);
  const [first] = rest;
  const props = isProps(first) ? first : {};
  if (classes.length > 0) node.setAttribute('class', classes.join(' '));
  for (const [name, value] of Object.entries(props)) {
    if (!present(value)) continue;
    if (typeof value === 'function') node.addEventListener(name.slice(2), /** @type {(event: Event) => unknown} */ (value));
    else if (name !== 'value') node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...nodes(/** @type {Child[]} */ (isProps(first) ? rest.slice(1) : rest)));
  // Last, because a select can only choose an option that it has.
  if (present(props.value)) Object.assign(node, { value: props.value });
  return node;
}

/**
 * @template {Element} E
 * @param {Props<E> | Child} value
 * @returns {value is Props<E>}
 */
const isProps = (value) => value?.constructor === Object;

/**
 * @template T
 * @param {T} value
 * @returns {value is Exclude<T, false | null | undefined>}
 */
const present = (value) => value !== false && value !== null && value !== undefined;

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return nodes(child);
    if (!present(child)) return [];
    return [child instanceof Node ? child : String(child)];
  });
}

const CIRCLE = 'M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15Z';
const ICONS = {
  ok: `${CIRCLE}M6.8 10.2l2.2 2.2 4.2-4.7`,
  bad: `${CIRCLE}M7.3 7.3l5.4 5.4M12.7 7.3l-5.4 5.4`,
  warn: 'M10 3 2.5 16.5h15L10 3ZM10 8v4M10 14.3v.2',
  info: `${CIRCLE}M10 9v5M10 6.3v.2`,
  clock: `${CIRCLE}M10 6v4.3l2.8 1.7`,
  off: `${CIRCLE}M6.5 10h7`,
  check: 'm4 10.5 4 4 8-9',
  copy: 'M7 7V4.5A1.5 1.5 0 0 1 8.5 3h7A1.5 1.5 0 0 1 17 4.5v7a1.5 1.5 0 0 1-1.5 1.5H13'
    + 'M4.5 7h7A1.5 1.5 0 0 1 13 8.5v7a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 3 15.5v-7A1.5 1.5 0 0 1 4.5 7Z',
  eye: 'M2 10s2.8-5 8-5 8 5 8 5-2.8 5-8 5-8-5-8-5ZM10 7.7a2.3 2.3 0 1 0 0 4.6 2.3 2.3 0 0 0 0-4.6Z',
  hide: 'M3 3l14 14M8.2 5.2A8 8 0 0 1 10 5c5.2 0 8 5 8 5a14 14 0 0 1-2.2 2.8M5.2 6.8A13 13 0 0 0 2 10s2.8 5 8 5a8 8 0 0 0 3.4-.8',
  key: 'M6.5 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM9.5 10H17v2.5M14 10v2',
  search: 'M8.5 3a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM12.5 12.5 17 17',
  plus: 'M10 4v12M4 10h12',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 11h7.6l.7-11M8.5 9v5M11.5 9v5',
  down: 'M10 3v10M5.5 9l4.5 4.5L14.5 9M4 17h12',
  left: 'M16 10H4M9 5l-5 5 5 5',
  right: 'M4 10h12M11 5l5 5-5 5',
  chevron: 'm7 5 5 5-5 5',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6V4Z',
  sun: 'M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18'
    + 'M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1',
  moon: 'M16.5 12A7 7 0 0 1 8 3.5 7 7 0 1 0 16.5 12Z',
  out: 'M8 3H4v14h4M13 6l4 4-4 4M7 10h10',
  user: 'M10 3a3.3 3.3 0 1 0 0 6.6A3.3 3.3 0 0 0 10 3ZM3.5 17c.6-3 3.1-5 6.5-5s5.9 2 6.5 5',
  link: 'M8.5 11.5 11.5 8.5M9 6l1.8-1.8a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.8 1.8a3.5 3.5 0 0 1-5-5L6 9',
  loop: 'M16.5 9A6.7 6.7 0 0 0 4.6 6M3.5 11a6.7 6.7 0 0 0 11.9 3M4 3v3.5h3.5M16 17v-3.5h-3.5',
};
