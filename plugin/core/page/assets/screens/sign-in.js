// @ts-check
// Sign in with the admin secret. It goes to the server and is kept nowhere here.

/** @import { Screen } from '../screen.js' */

import { ApiError, api, button, field, form, h, icon, note, relabel, submit, t } from '../screen.js';

/** @param {Screen & { lost: boolean, done: () => void }} here `lost` if a session ended by itself */
export function signIn({ product, lost, done, signal }) {
  const secret = h('input', { type: 'password', autocomplete: 'current-password', name: 'secret', required: true, spellcheck: 'false' });
  const labelled = field(t('signin.secret'), secret, { hint: t('signin.hint') });
  const go = button(t('signin.go'), { kind: 'primary wide', type: 'submit' });

  const submitted = async () => {
    if (secret.value === '') {
      labelled.fail(t('signin.empty'));
      return;
    }
    labelled.fail('');
    let wait = 0;
    const signedIn = await submit(go, () => api.signIn(secret.value), (message, error) => {
      wait = error instanceof ApiError ? error.retryAfter : 0;
      labelled.fail(message);
      secret.select();
    });
    if (wait) countDown(wait);
    if (!signedIn) return;
    secret.value = '';
    done();
  };

  // The server slows down guesses; the button says for how long.
  /** @param {number} seconds */
  const countDown = (seconds) => {
    go.disabled = seconds > 0;
    relabel(go, seconds > 0 ? t('signin.wait', { n: seconds }) : t('signin.go'));
    if (seconds > 0 && !signal.aborted) setTimeout(() => countDown(seconds - 1), 1000);
    else labelled.fail('');
  };

  return h('div.signin',
    h('div.signin-flow', { 'aria-hidden': 'true' }, h('span.node', icon('key')), h('i'), h('i'), h('i'), h('span.node', icon('user'))),
    h('h1', t('signin.heading', { product: product.productName })),
    h('p.lead', t('signin.lead')),
    lost && note('info', h('p', t('signin.lost'))),
    form('card', submitted, labelled, go));
}
