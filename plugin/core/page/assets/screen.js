// @ts-check
// What screens are made of, at one address.

/**
 * What a screen is given.
 * @typedef {object} Screen
 * @property {AbortSignal} signal aborted when the screen is left
 * @property {Api.Product} product
 * @property {URLSearchParams} query the filters in the address
 * @property {boolean} first whether the address names no screen: the visit begins
 * @property {(hash: string, how?: { replace?: boolean }) => void} go leads to another screen; `replace` without a step of the history
 * @property {() => void} redraw draws the screen anew
 * @property {(query: Record<string, string | undefined>) => void} keep writes the filters to the address
 * @property {(report: Api.Store | null) => void} tested tells the page what a test of the store found
 * @property {(text: string) => void} title names the screen in the title of the window
 */

/**
 * What a screen of one organization is given by its address.
 * @typedef {Screen & { id: string, part: string, tab: Tab }} OrganizationAddress
 */

/**
 * What a screen of one organization is given: `base` is the address of its first screen, `health` shows another state in
 * the frame, `refresh` asks for the organization anew and brings the frame up to date.
 * @typedef {OrganizationAddress & {
 *   base: string,
 *   tenant: Api.Tenant,
 *   idp: Api.GuidedProvider,
 *   health: (state: Api.Health) => void,
 *   refresh: () => Promise<Api.Tenant>,
 * }} OrganizationScreen
 */

/** @typedef {'connection' | 'log' | 'users' | 'settings'} Tab */

export * from './api.js';
export * from './dom.js';
export * from './i18n.js';
export * from './portions.js';
export * from './widgets.js';
