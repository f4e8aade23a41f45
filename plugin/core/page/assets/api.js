// The admin API. One place knows its addresses, its errors, and what being offline or signed out means.

const BASE = '/admin/api/v1';

/** A refusal by the server: `code` for the program, `message` for the reader. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

/** The server was not reached, or a gateway before it answered. */
export class Offline extends Error {}

/** The session has ended. The page shows the sign-in and comes back to the same place. */
export class SignedOut extends Error {}

const listeners = {};
/** The page is told of a lost session, of the server becoming reachable or not, and of an answer that it cannot serve now. */
export const onSession = (signedOut, reachable, unavailable) => Object.assign(listeners, { signedOut, reachable, unavailable });

export const api = {
  product: () => call('GET', '/product'),
  store: () => call('GET', '/store').catch(none('not_found')),
  testStore: () => call('POST', '/store'),
  session: () => call('GET', '/session', undefined, { quiet: true }),
  signIn: (secret) => call('POST', '/session', { secret }, { quiet: true }),
  signOut: () => call('DELETE', '/session', undefined, { quiet: true }),
  providers: () => call('GET', '/identity-providers'),
  provider: (id) => call('GET', `/identity-providers/${encodeURIComponent(id)}`),
  tenants: () => call('GET', '/tenants'),
  addTenant: (name) => call('POST', '/tenants', { name }),
  tenant: (id) => call('GET', at(id)),
  changeTenant: (id, change) => call('PATCH', at(id), change),
  deleteTenant: (id) => call('DELETE', at(id)),
  connection: (id) => call('GET', at(id, 'connection')).catch(none('no_connection')),
  connect: (id, identityProvider) => call('POST', at(id, 'connection'), { identityProvider }),
  changeConnection: (id, change) => call('PATCH', at(id, 'connection'), change),
  rotate: (id, overlapSeconds) => call('POST', at(id, 'connection', 'rotate'), { overlapSeconds }),
  endConnection: (id) => call('DELETE', at(id, 'connection')),
  activity: (id) => call('GET', at(id, 'activity')),
  users: (id, query) => call('GET', at(id, 'users') + search(query)),
  user: (id, user) => call('GET', at(id, 'users', user)),
  deleteUser: (id, user) => call('DELETE', at(id, 'users', user)),
  groups: (id, query) => call('GET', at(id, 'groups') + search(query)),
  check: (id, position) => call('GET', at(id, 'check') + search({ position })),
  repair: (id, position, signal) => call('POST', at(id, 'repair') + search({ position }), undefined, { signal }),
  deleteUsers: (id, confirm, signal) => call('DELETE', at(id, 'users'), { confirm }, { signal }),
  requests: (id, query) => call('GET', at(id, 'requests') + search(query)),
  request: (id, number) => call('GET', at(id, 'requests', number)),
  exportUrl: (id, format, query) => BASE + at(id, 'requests', 'export') + search({ ...query, format }),
};

/** That there is none is an answer, too. */
const none = (code) => (error) => { if (error.code === code) return null; throw error; };

function at(...parts) {
  return `/tenants/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

function search(query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}

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
  if (response.ok) return answer;
  if (response.status === 401 && !quiet) {
    listeners.signedOut();
    throw new SignedOut();
  }
  if (response.status === 503) listeners.unavailable();
  const { code, message } = answer?.error ?? {};
  throw new ApiError(response.status, code ?? `http_${response.status}`, message ?? '', Number(response.headers.get('retry-after')) || 0);
}

function parse(text) {
  try { return text === '' ? null : JSON.parse(text); } catch { return null; }
}
