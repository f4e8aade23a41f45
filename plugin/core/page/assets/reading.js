// @ts-check
// How a record of the log reads: a sentence, a reason, and what to do about it.
// Everything comes from action, status and user; the server's own `detail` is shown beside, never taken apart
// further than needed to tell two reasons of one status from each other.

/** @typedef {Api.RecordRow | Api.Record} Row */

import { h } from './dom.js';
import { reason, rich, t } from './i18n.js';
import { line, target } from './shell.js';

/** @type {string[]} */
const CHANGES = ['create', 'update', 'rename', 'disable', 'enable', 'delete'];
const NAMED = [...CHANGES, 'match', 'read'];
/** What a record can be about. */
export const OPERATIONS = [...NAMED, 'probe', 'list', 'discover', 'mend', 'refused'];

/**
 * "Created alice@contoso.com", "Not created: bob@contoso.com. The userName is already taken".
 * @param {Row} record
 */
export function sentence(record) {
  const action = OPERATIONS.includes(record.action) ? record.action : 'refused';
  const places = { user: h('b', nameOf(record) || t(ofGroups(record.path) ? 'sentence.group' : 'sentence.someone')) };
  if (record.outcome === 'success') {
    const unchanged = CHANGES.includes(action) && action !== 'create' && action !== 'delete' && record.changed === false;
    const said = action === 'list' && ofGroups(record.path) ? 'listGroups' : action;
    return rich(`sentence.${unchanged ? 'unchanged' : said}`, places);
  }
  const because = [' ', h('span.why', reason(reasonOf(record))[0])];
  const known = NAMED.includes(action) && (nameOf(record) || action !== 'read');
  return [...rich(known ? `sentence.${action}Failed` : 'sentence.refusedFailed', places), ...because, record.repeats ? ` ×${record.repeats + 1}` : ''];
}

/**
 * The sentence of a record as plain text, for titles and copies.
 * @param {Row} record
 */
export function plainSentence(record) {
  return sentence(record).map((piece) => typeof piece === 'string' ? piece : piece.textContent).join('');
}

/**
 * Whom a record is about: the user or group by its name, or as the operation names it when nobody was created.
 * @param {Row} record
 */
export function nameOf({ user, group, operation = '' }) {
  return user?.userName ?? group?.displayName ?? (operation.match(/\b(?:user|group) (\S.*)$/)?.[1] ?? '');
}

/** @param {string | undefined} path */
const ofGroups = (path) => /\/groups(\/|$)/i.test(path ?? '');

/**
 * The key of the reason of a failure.
 * @param {Row} record
 */
export function reasonOf({ status, scimType, detail, path, action, token }) {
  const said = (detail ?? '').toLowerCase();
  const group = ofGroups(path);
  if (status === 401) return token || /match|ended|expired|unknown|wrong/.test(said) ? 'token' : 'noToken';
  if (status === 403) return /seat|licen/.test(said) ? 'seats' : group ? 'groups' : 'forbidden';
  if (group && [405, 501].includes(status)) return 'groups';
  if (group && status === 404) return 'goneGroup';
  if (status === 404) return /\/users\/[^/]+$/i.test(path ?? '') ? 'gone' : 'address';
  if (status === 405 || status === 501) return 'syntax';
  if (status === 409) return scimType === 'uniqueness' || /already/.test(said) ? 'taken' : 'conflict';
  if (status === 400) return badRequest(scimType, said, action);
  return BY_STATUS[status] ?? (status >= 500 ? 'server' : 'other');
}

/** @type {Record<number, string>} */
const BY_STATUS = { 412: 'conflict', 413: 'value', 415: 'syntax', 429: 'throttled' };

/**
 * @param {string | null} scimType
 * @param {string} said
 * @param {string} action
 */
function badRequest(scimType, said, action) {
  if (/\busername: expected a value, found none/.test(said)) return 'noName';
  if (/^(operations\[\d+\]\.)?(value\.)?active\b|\bactive:/.test(said)) return 'active';
  if (action === 'match' || action === 'probe') return 'filter';
  return BY_TYPE[scimType ?? ''] ?? 'syntax';
}

/** @type {Record<string, string>} */
const BY_TYPE = {
  uniqueness: 'taken', invalidFilter: 'filter', invalidPath: 'path', noTarget: 'path',
  invalidValue: 'value', mutability: 'value', invalidSyntax: 'syntax', tooMany: 'value',
};

/**
 * What a success means, where its sentence alone would leave a question.
 * @param {Api.Record} record
 */
export function meaningOf(record) {
  if (record.outcome !== 'success') return null;
  if (CHANGES.includes(record.action) && record.changed === false && record.action !== 'delete') return t('meaning.unchanged');
  const name = String(record.after?.userName ?? '');
  if (/^[0-9a-f]{32}/.test(name) && record.before?.userName !== name) return t('meaning.recycled');
  return ['probe', 'match', 'disable'].includes(record.action) ? t(`meaning.${record.action}`) : null;
}

/**
 * JSON as lines that can be read; anything else stays as it came.
 * @param {unknown} body
 */
export function pretty(body) {
  if (body === null || body === undefined || body === '') return '';
  if (typeof body !== 'string') return JSON.stringify(body, null, 2);
  try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; }
}

/**
 * `{a: {b: 1}, c: [x]}` as `[["a.b", "1"], ["c[0]", "x"]]`.
 * @param {unknown} value
 * @param {string} [path]
 * @returns {[name: string, value: string][]}
 */
export function flat(value, path = '') {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((one, i) => flat(one, `${path}[${i}]`));
  if (typeof value === 'object') return Object.entries(value).flatMap(([name, one]) => flat(one, path ? `${path}.${name}` : name));
  return [[path, String(value)]];
}

/**
 * Request and response as plain HTTP, ready to become a test case.
 * @param {Api.Record} record
 * @param {string} base
 */
export function transcript(record, base) {
  const { host, pathname } = new URL(base);
  const request = pretty(record.requestBody);
  const response = pretty(record.responseBody);
  const type = 'Content-Type: application/scim+json';
  return [`# ${line(record.operation ?? record.action)}`, `# ${record.time}, request ${record.requestId}`,
    `${record.method} ${pathname}${target(record)} HTTP/1.1`, `Host: ${host}`, 'Authorization: Bearer ***',
    ...(request ? [type, '', request] : []), '',
    `HTTP/1.1 ${statusLine(record.status)}`, ...(response ? [type, '', response] : []), ''].join('\n');
}

/** @param {number} status */
export const statusLine = (status) => `${status} ${PHRASES[status] ?? ''}`.trim();

/** @type {Record<number, string>} */
const PHRASES = {
  200: 'OK', 201: 'Created', 204: 'No Content',
  400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
  409: 'Conflict', 412: 'Precondition Failed', 413: 'Content Too Large', 415: 'Unsupported Media Type', 429: 'Too Many Requests',
  500: 'Internal Server Error', 501: 'Not Implemented', 503: 'Service Unavailable',
};
