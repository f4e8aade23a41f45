// Identity providers with the guides of their setup, as the server has them.

import { api } from './api.js';
import { speak } from './i18n.js';

const seen = new Map();

/** Whose words an organization's screens speak. */
export const idpOf = (tenant) => tenant.connection?.identityProvider ?? 'generic';

/** The provider with its guide; from now on the messages speak of it. */
export async function guided(id) {
  if (!seen.has(id)) seen.set(id, await api.provider(id));
  speak(seen.get(id).guide);
  return seen.get(id);
}

/** Whether the guide is here already. */
export const isKnown = (id) => seen.has(id);
