// @ts-check
// The admin API. One place knows its addresses, its errors, and what being offline or signed out means.

const BASE = '/admin/api/v1';

/** What the page tells its own parts through `window`. */
export const EVENTS = {
  /** The reader wants the server to be asked at once. */
  retry: 'rollcall:retry',
  /** The server is reached again. */
  back: 'rollcall:back',
};

/** A refusal by the server: `code` for the program, `message` for the reader. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {number} retryAfter seconds; 0 if the server named none
   */
  constructor(status, code, message, retryAfter) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** The server was not reached, or a gateway before it answered. */
export class Offline extends Error {}

/** The session has ended. The page shows the sign-in and comes back to the same place. */
export class SignedOut extends Error {}

/** @type {{ signedOut: () => void, reachable: (reachable: boolean) => void, unavailable: () => void }} */
const listeners = { signedOut() {}, reachable() {}, unavailable() {} };

/**
 * The page is told of a lost session, of the server becoming reachable or not, and of an answer that it cannot serve now.
 * @param {() => void} signedOut
 * @param {(reachable: boolean) => void} reachable
 * @param {() => void} unavailable
 */
export const onSession = (signedOut, reachable, unavailable) => Object.assign(listeners, { signedOut, reachable, unavailable });

/**
 * @template {keyof Api.Operations} Id
 * @typedef {Promise<Api.Answer<Id>>} Answer
 */

/** @typedef {Record<string, string | number | boolean | null | undefined>} Query */

export const api = {
  /** @returns {Answer<'getProduct'>} */
  product: () => call('GET', '/product'),
  /** @returns {Promise<Api.Store | null>} */
  store: () => orNone('not_found', call('GET', '/store')),
  /** @returns {Answer<'testStore'>} */
  testStore: () => call('POST', '/store'),
  /** @returns {Answer<'getSession'>} */
  session: () => call('GET', '/session', undefined, { quiet: true }),
  /** @type {(secret: string) => Answer<'signIn'>} */
  signIn: (secret) => call('POST', '/session', { secret }, { quiet: true }),
  /** @returns {Answer<'signOut'>} */
  signOut: () => call('DELETE', '/session', undefined, { quiet: true }),
  /** @returns {Answer<'listIdentityProviders'>} */
  providers: () => call('GET', '/identity-providers'),
  /** @type {(id: string) => Answer<'getIdentityProvider'>} */
  provider: (id) => call('GET', `/identity-providers/${encodeURIComponent(id)}`),
  /** @returns {Answer<'listTenants'>} */
  tenants: () => call('GET', '/tenants'),
  /** @type {(name: string) => Answer<'createTenant'>} */
  addTenant: (name) => call('POST', '/tenants', { name }),
  /** @type {(id: string) => Answer<'getTenant'>} */
  tenant: (id) => call('GET', at(id)),
  /** @type {(id: string, change: Api.Body<'changeTenant'>) => Answer<'changeTenant'>} */
  changeTenant: (id, change) => call('PATCH', at(id), change),
  /** @type {(id: string) => Answer<'deleteTenant'>} */
  deleteTenant: (id) => call('DELETE', at(id)),
  /** @type {(id: string) => Promise<Api.Connection | null>} */
  connection: (id) => orNone('no_connection', call('GET', at(id, 'connection'))),
  /** @type {(id: string, identityProvider: string) => Answer<'startConnection'>} */
  connect: (id, identityProvider) => call('POST', at(id, 'connection'), { identityProvider }),
  /** @type {(id: string, change: Api.Body<'changeConnection'>) => Answer<'changeConnection'>} */
  changeConnection: (id, change) => call('PATCH', at(id, 'connection'), change),
  /** @type {(id: string, overlapSeconds: number) => Answer<'rotateToken'>} */
  rotate: (id, overlapSeconds) => call('POST', at(id, 'connection', 'rotate'), { overlapSeconds }),
  /** @type {(id: string) => Answer<'endConnection'>} */
  endConnection: (id) => call('DELETE', at(id, 'connection')),
  /** @type {(id: string) => Answer<'getActivity'>} */
  activity: (id) => call('GET', at(id, 'activity')),
  /** @type {(id: string, query: Query) => Answer<'listUsersOfTenant'>} */
  users: (id, query) => call('GET', at(id, 'users') + search(query)),
  /** @type {(id: string, user: string) => Answer<'getUserOfTenant'>} */
  user: (id, user) => call('GET', at(id, 'users', user)),
  /** @type {(id: string, user: string) => Answer<'deleteUserOfTenant'>} */
  deleteUser: (id, user) => call('DELETE', at(id, 'users', user)),
  /** @type {(id: string, query: Query) => Answer<'listGroupsOfTenant'>} */
  groups: (id, query) => call('GET', at(id, 'groups') + search(query)),
  /** @type {(id: string, position: string | undefined) => Answer<'checkTenant'>} */
  check: (id, position) => call('GET', at(id, 'check') + search({ position })),
  /** @type {(id: string, position: string | undefined, signal: AbortSignal) => Answer<'repairTenant'>} */
  repair: (id, position, signal) => call('POST', at(id, 'repair') + search({ position }), undefined, { signal }),
  /** @type {(id: string, confirm: string, signal: AbortSignal) => Answer<'deleteUsersOfTenant'>} */
  deleteUsers: (id, confirm, signal) => call('DELETE', at(id, 'users'), { confirm }, { signal }),
  /** @type {(id: string, query: Query) => Answer<'listRequests'>} */
  requests: (id, query) => call('GET', at(id, 'requests') + search(query)),
  /** @type {(id: string, number: string) => Answer<'getRequest'>} */
  request: (id, number) => call('GET', at(id, 'requests', number)),
  /** @type {(id: string, format: string, query: Query) => string} */
  exportUrl: (id, format, query) => BASE + at(id, 'requests', 'export') + search({ ...query, format }),
};

/**
 * That there is none is an answer, too.
 * @template T
 * @param {string} code
 * @param {Promise<T>} answer
 * @returns {Promise<T | null>}
 */
function orNone(code, answer) {
  return answer.catch((error) => {
    if (error instanceof ApiError && error.code === code) return null;
    throw error;
  });
}

/** @param {...string} parts */
function at(...parts) {
  return `/tenants/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

/** @param {Query} query */
function search(query) {
  const pairs = Object.entries(query).flatMap(([name, value]) => value === undefined || value === null || value === '' ? [] : [[name, String(value)]]);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}

/**
 * The answer is taken for what the server's document says of it, `T`: the server is tested against its document.
 * @template T
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{ quiet?: boolean, signal?: AbortSignal }} [how] `quiet` if an answer 401 says nothing of the session
 * @returns {Promise<T>}
 */
async function call(method, path, body, { quiet = false, signal } = {}) {
  let response;
  let text;
  try {
    response = await fetch(BASE + path, {
      method,
      signal,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch {
    // The caller waits no longer; whether the server is reached is another question.
    if (signal?.aborted) throw signal.reason;
    listeners.reachable(false);
    throw new Offline();
  }
  listeners.reachable(true);
  const answer = parse(text);
  if (response.ok) return /** @type {T} */ (answer);
  if (response.status === 401 && !quiet) {
    listeners.signedOut();
    throw new SignedOut();
  }
  if (response.status === 503) listeners.unavailable();
  const { code, message } = /** @type {{ error?: { code?: string, message?: string } } | null} */ (answer)?.error ?? {};
  throw new ApiError(response.status, code ?? `http_${response.status}`, message ?? '', Number(response.headers.get('retry-after')) || 0);
}

/**
 * @param {string} text
 * @returns {unknown} null unless the text is JSON
 */
function parse(text) {
  try { return text === '' ? null : JSON.parse(text); } catch { return null; }
}
