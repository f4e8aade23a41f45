// What an ended connection left behind: deleted together, after typing the organization's name.

import { announce, api, dangerCard, h, note, number, portionsDialog, t } from '../screen.js';
import { forget } from './frame.js';

/** What a deletion that did not come to its end had done, by organization, until the screen has said so. */
const halted = new Map();

/** The users and groups that an ended connection left behind; nothing where there are none. */
export async function leftoversOf(tenant) {
  if (tenant.connection?.state !== 'ended') return null;
  const { totalResults: groups } = await api.groups(tenant.id, { count: 1 });
  if (tenant.users + groups > 0) return { name: tenant.name, users: tenant.users, groups };
  halted.delete(tenant.id);
  return null;
}

export function leftoversCard(left, here) {
  const card = dangerCard(t(left.users > 0 ? 'leftovers.title' : 'leftovers.titleGroups'), t('leftovers.text'), t('leftovers.go', { what: counted(left) }),
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

const counted = ({ users, groups }) => [users > 0 || groups === 0 ? t('leftovers.users', { n: users }) : null, groups > 0 ? t('leftovers.groups', { n: groups }) : null].filter(Boolean).join(', ');

function removeDialog({ name, ...before }, here) {
  // The server deletes the users first.
  const done = (sum) => ({ users: Math.min(sum, before.users), groups: Math.max(0, sum - before.users) });
  const left = (sum) => ({ users: Math.max(0, sum - before.groups), groups: Math.min(sum, before.groups) });
  portionsDialog({
    title: t(before.users > 0 ? 'leftovers.title' : 'leftovers.titleGroups'), kind: 'danger', tone: 'bad', typed: name, here,
    confirm: t('leftovers.go', { what: counted(before) }), body: h('p', t('delete.final')),
    call: (signal) => api.deleteUsers(here.id, name, signal), unit: 'deleted',
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
