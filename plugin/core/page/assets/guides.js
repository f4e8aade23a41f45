// @ts-check
// Identity providers with the guides of their setup, as the server has them.

import { api } from './api.js';
import { speak } from './i18n.js';

/** @type {Map<string, Api.GuidedProvider>} */
const seen = new Map();

/**
 * Whose words an organization's screens speak.
 * @param {Api.Tenant} tenant
 */
export const idpOf = (tenant) => tenant.connection?.identityProvider ?? 'generic';

/**
 * The provider with its guide; from now on the messages speak of it.
 * @param {string} id
 */
export async function guided(id) {
  const provider = seen.get(id) ?? await api.provider(id);
  seen.set(id, provider);
  speak(provider.guide);
  return provider;
}

/**
 * Whether the guide is here already.
 * @param {string} id
 */
export const isKnown = (id) => seen.has(id);
