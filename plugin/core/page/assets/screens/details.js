// @ts-check
// What goes into the identity provider: Tenant URL, Secret Token, attribute mappings.

/** @import { Child } from '../dom.js' */

/** @typedef {Api.Guide['fields']} Fields */

import { copyButton, fill, h, icon, t, table } from '../screen.js';

/**
 * Both values with copy buttons, under the provider's own field names in every language: the reader looks for these words
 * on its screen. The token stays hidden until asked for.
 * @param {Api.Connection} connection
 * @param {Fields} fields
 */
export function credentials(connection, fields) {
  return h('div.credentials.stack',
    value(fields.url, h('code.secret', connection.tenantUrl), copyButton(fields.url, () => connection.tenantUrl)),
    token(fields.token, connection.secretToken));
}

/**
 * The table of the attribute mappings with the type and the precedence that Entra asks for.
 * @param {Api.Connection} connection
 * @param {Fields} fields
 */
export function mappings(connection, fields) {
  return h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': t('mappings.title') },
    table([attribute(fields.target), attribute(fields.source), t('mappings.type'), `#${t('mappings.precedence')}`],
      connection.attributeMappings.map(mapping), 'mappings'));
}

/** @param {string} side the name of a system */
const attribute = (side) => t('mappings.attribute', { of: side });

/** @param {Api.Connection['attributeMappings'][number]} mapping */
function mapping({ target, source, type, matchingPrecedence }) {
  return [
    h('code', target),
    h('div.expression', h('code', source), type === 'expression' && copyButton(t('mappings.switch'), () => source)),
    t(`mappings.${type}`),
    matchingPrecedence === null ? h('span.muted', '–', h('span.vh', t('record.none'))) : String(matchingPrecedence)];
}

/**
 * @param {string} name
 * @param {string | null} secret null where it was sealed under another key, or ended
 */
function token(name, secret) {
  if (!secret) return value(name, h('p.hint', t('details.sealed')));
  const shown = h('code.secret');
  const toggle = h('button', { type: 'button', class: 'button small', 'data-key': 'reveal' });
  let open = false;
  const draw = () => {
    shown.textContent = open ? secret : '•'.repeat(28);
    shown.classList.toggle('dots', !open);
    shown.setAttribute('aria-label', open ? secret : t('details.hidden'));
    shown.setAttribute('role', 'img');
    if (open) {
      shown.removeAttribute('role');
      shown.removeAttribute('aria-label');
    }
    fill(toggle, icon(open ? 'hide' : 'eye'), h('span', t(open ? 'details.hide' : 'details.show')));
    toggle.setAttribute('aria-label', t(open ? 'details.hideWhat' : 'details.showWhat', { what: name }));
  };
  toggle.addEventListener('click', () => {
    open = !open;
    draw();
  });
  draw();
  return value(name, shown, toggle, copyButton(name, () => secret));
}

/**
 * @param {string} name
 * @param {Child} shown
 * @param {...Child} actions
 */
function value(name, shown, ...actions) {
  return h('div.credential', { role: 'group', 'aria-label': name },
    h('b', name),
    h('div.credential-line', shown, h('div.row.tight', actions)));
}
