// @ts-check
// What an ended connection left behind: deleted together, after typing the organization's name.

/** @import { OrganizationScreen } from '../screen.js' */

/** @typedef {{ users: number, groups: number }} Counts */
/** @typedef {Counts & { name: string }} Leftovers of the organization `name` */

import { announce, api, dangerCard, h, note, number, portionsDialog, t } from '../screen.js';
import { forget } from './frame.js';

/**
 * What a deletion that did not come to its end had done, by organization, until the screen has said so.
 * @type {Map<string, { done: Counts, sure: boolean }>}
 */
const halted = new Map();

/**
 * The users and groups that an ended connection left behind; nothing where there are none.
 * @param {Api.Tenant} tenant
 * @returns {Promise<Leftovers | null>}
 */
export async function leftoversOf(tenant) {
  if (tenant.connection?.state !== 'ended') return null;
  const { totalResults: groups } = await api.groups(tenant.id, { count: 1 });
  if (tenant.users + groups > 0) return { name: tenant.name, users: tenant.users, groups };
  halted.delete(tenant.id);
  return null;
}

/**
 * @param {Leftovers} left
 * @param {OrganizationScreen} here
 */
export function leftoversCard(left, here) {
  const card = dangerCard(titleOf(left), t('leftovers.text'), t('leftovers.go', { what: counted(left) }),
    { onclick: () => removeDialog(left, here) });
  const stopped = halted.get(here.id);
  if (stopped) {
    halted.delete(here.id);
    const text = t(stopped.sure ? 'leftovers.stopped' : 'leftovers.unsure', { what: counted(stopped.done), left: counted(left) });
    card.prepend(note('warn', h('p', text)));
    announce(text);
  }
  return card;
}

/** @param {Counts} left */
const titleOf = (left) => t(left.users > 0 ? 'leftovers.title' : 'leftovers.titleGroups');

/** @param {Counts} counts */
function counted({ users, groups }) {
  const said = users > 0 || groups === 0 ? [t('leftovers.users', { n: users })] : [];
  return [...said, ...(groups > 0 ? [t('leftovers.groups', { n: groups })] : [])].join(', ');
}

/**
 * @param {Leftovers} leftovers
 * @param {OrganizationScreen} here
 */
function removeDialog({ name, ...before }, here) {
  // The server deletes the users first.
  /** @param {number} sum */
  const done = (sum) => ({ users: Math.min(sum, before.users), groups: Math.max(0, sum - before.users) });
  /** @param {number} sum */
  const left = (sum) => ({ users: Math.max(0, sum - before.groups), groups: Math.min(sum, before.groups) });
  portionsDialog({
    title: titleOf(before), kind: 'danger', tone: 'bad', typed: name, signal: here.signal,
    confirm: t('leftovers.go', { what: counted(before) }), body: h('p', t('delete.final')),
    call: (signal) => api.deleteUsers(here.id, name, signal), amount: ({ deleted }) => deleted,
    said: (sum, rest) => t('leftovers.progress', { what: counted(done(sum)), left: number(rest) }),
    again: (rest) => t('leftovers.go', { what: counted(left(rest)) }),
    onEnd: (progress) => {
      forget(here.id);
      // Somebody who has gone on to another screen hears what was done; here the screen says what is left.
      if (progress.whole || here.signal.aborted) announce(t('leftovers.done', { what: counted(done(progress.done)) }));
      else halted.set(here.id, { done: done(progress.done), sure: progress.sure });
      if (!here.signal.aborted) here.redraw();
    },
  });
}
