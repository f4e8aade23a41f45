// What screens are made of, at one address.

export * from './api.js';
export * from './dom.js';
export * from './i18n.js';
export * from './portions.js';
export * from './widgets.js';
