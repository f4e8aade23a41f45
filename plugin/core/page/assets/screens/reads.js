// @ts-check
// What a provider sends in another way than SCIM has it, and how it is read: counted for the connection, named in a record.

import { badge, card, h, has, number, t, table, when } from '../screen.js';

/** Those by which something may be lost; all others need nothing. */
const LOOK = ['unknownName', 'severalPrimary', 'activeUnset', 'otherFormat'];

/**
 * What is read liberally, in words; a name that the page does not know yet is better than nothing.
 * @param {string} what
 */
const words = (what) => (has(`reads.${what}`) ? t(`reads.${what}`) : what);

/**
 * "Your provider sends …" with counts and what to do; nothing where all is as SCIM has it.
 * @param {Api.Connection} connection
 */
export function readsCard({ leniencies = {} }) {
  const rows = Object.entries(leniencies).sort(([, a], [, b]) => b.count - a.count);
  if (rows.length === 0) return null;
  const calm = !rows.some(([what]) => LOOK.includes(what));
  return card(t('reads.title'), h('p.hint', t(calm ? 'reads.calm' : 'reads.lead')),
    table([t('reads.what'), t('reads.advice'), `#${t('reads.count')}`, t('reads.last')],
      rows.map(([what, { count, last }]) => [
        [words(what), has(`advice.${what}`) && h('p.hint', t(`advice.${what}`))],
        LOOK.includes(what) ? badge('warn', t('reads.look')) : h('span.muted', t('reads.fine')),
        number(count), when(last)]), 'cards small'));
}

/**
 * What one request sent in another way than SCIM has it, with the places.
 * @param {Api.Record} record
 */
export function readsOf({ leniencies = [] }) {
  if (leniencies.length === 0) return null;
  return card(t('reads.record'), h('p.hint', t('reads.recordText')),
    table([t('reads.what'), t('reads.where')], leniencies.map(({ what, where }) => [
      words(what), where ? h('code.break', where) : h('span.muted', t('record.none'))])));
}
