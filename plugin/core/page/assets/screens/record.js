// @ts-check
// One record: the exchange as it happened, what it changed, why it failed and what to do in Entra.

/** @import { OrganizationScreen } from '../screen.js' */

import { api, badge, card, copyButton, crumbs, exact, facts, h, icon, load, milliseconds, note, reason, t, table, when } from '../screen.js';
import { flat, meaningOf, nameOf, plainSentence, pretty, reasonOf, sentence, statusLine, transcript } from '../reading.js';
import { curl } from '../shell.js';
import { logHash, logOf } from './log.js';
import { readsOf } from './reads.js';

/**
 * @param {HTMLElement} content
 * @param {OrganizationScreen} here
 */
export function record(content, here) {
  here.title(t('record.title', { number: here.part }));
  load(content, async () => {
    const found = await api.request(here.id, here.part);
    here.title(plainSentence(found));
    return page(found, here);
  }, { ...here, lines: 8 });
}

/**
 * @param {Api.Record} found
 * @param {OrganizationScreen} here
 */
function page(found, here) {
  const { traceparent } = found;
  const failed = found.outcome !== 'success';
  return [
    crumbs(t('record.back'), logHash(here.id, here.base)),
    h('div.head', h('h1.record-title', sentence(found)), badge(failed ? 'bad' : 'good', t(`outcome.${failed ? 'failure' : 'success'}`))),
    found.looksLike && note('warn', h('p', t('record.lookalike'))),
    failed ? explanation(found) : meaningOf(found) && note('info', h('p', meaningOf(found))),
    changes(found),
    readsOf(found),
    card(t('record.exchange'), ...exchange(found, here)),
    card(t('record.facts'), facts([
      [t('record.time'), h('span', exact(found.time), h('span.hint', when(found.time)))],
      [t(found.group ? 'record.group' : 'record.user'), user(found, here)],
      [t('record.duration'), milliseconds(found.durationUs)],
      [t('record.token'), found.token ? h('code', `…${found.token}`) : h('span.muted', t('record.none'))],
      [t('record.number'), String(found.number)],
      [t('record.id'), h('span.row.tight', h('code.break', found.requestId), copyButton(t('record.id'), () => found.requestId))],
      traceparent && [t('record.trace'), h('span.row.tight', h('code.break', traceparent), copyButton(t('record.trace'), () => traceparent))],
    ])),
  ];
}

/**
 * Request and response, and the buttons that copy them.
 * @param {Api.Record} found
 * @param {OrganizationScreen} here
 */
function exchange(found, { id, product }) {
  const base = `${product.publicUrl ?? location.origin}/scim/v2/${id}`;
  const address = `${found.path}${found.query ? `?${readable(found.query)}` : ''}`;
  const headers = ['Authorization: Bearer ***', ...(found.requestBody ? ['Content-Type: application/scim+json'] : [])];
  return [
    h('div.row', copyButton('curl', () => curl(found, base), { label: t('record.curl') }),
      copyButton(t('record.transcriptWhat'), () => transcript(found, base), { label: t('record.transcript') })),
    h('div.exchange',
      side(t('record.request'), `${found.method} ${address}`, found.requestBody, headers),
      side(t('record.response'), statusLine(found.status), found.responseBody, [])),
  ];
}

/** @param {Api.Record} found */
function explanation(found) {
  const [, why, steps] = reason(reasonOf(found));
  return h('section.card.reason', { 'aria-label': t('reason.title') },
    h('div', h('h2', icon('bad'), h('span', t('reason.title'))), h('p', why),
      found.detail && h('p.detail', h('span.hint', t('reason.detail')), h('code.break', found.detail))),
    h('div', h('h2', icon('right'), h('span', t('reason.todo'))), h('ol.todo', steps.split('\n').map((line) => h('li', line)))));
}

/** @param {Api.Record} found */
function changes({ before, after, outcome, kind }) {
  if (outcome !== 'success' || kind !== 'change') return null;
  const old = new Map(flat(before ?? {}));
  const fresh = new Map(flat(after ?? {}));
  const names = [...new Set([...old.keys(), ...fresh.keys()])].filter((name) => old.get(name) !== fresh.get(name));
  if (names.length === 0) return null;
  /** @type {(kind: 'b' | 's.muted', map: Map<string, string>, name: string) => HTMLElement} */
  const value = (kind, map, name) => (map.has(name) ? h(kind, map.get(name)) : h('span.muted', t('record.absent')));
  return card(t('record.changes'), table([t('record.attribute'), t('record.before'), t('record.after')],
    names.map((name) => [h('code.break', name), value('s.muted', old, name), value('b', fresh, name)])));
}

/**
 * @param {string} title
 * @param {string} line
 * @param {unknown} body
 * @param {string[]} headers
 */
function side(title, line, body, headers) {
  const text = pretty(body);
  return h('div.message', h('h3', title),
    h('pre', { tabindex: '0', role: 'region', 'aria-label': title },
      h('b', line), headers.map((header) => h('span.header', `\n${header}`)), '\n\n', text || h('span.muted', t('record.nobody'))));
}

/**
 * @param {Api.Record} found
 * @param {OrganizationScreen} here
 */
function user(found, { base }) {
  if (found.group?.id) return h('a', { href: logOf(base, found.group.id, found.group.displayName) }, found.group.displayName);
  if (found.user?.id) return h('a', { href: `${base}/users/${encodeURIComponent(found.user.id)}` }, found.user.userName);
  return nameOf(found) || h('span.muted', t('record.none'));
}

/** @param {string} query */
function readable(query) {
  try { return decodeURIComponent(query.replace(/^\?/, '').replaceAll('+', ' ')); } catch { return query; }
}
