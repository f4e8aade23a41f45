// @ts-check
// What the server does in portions, so that no request runs long: behind a dialog that says how far it is, and stops it.

/** @import { Child } from './dom.js' */
/** @import { DialogLook, Tone } from './widgets.js' */

import { ApiError } from './api.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { dialog, meter } from './widgets.js';

/** How long the portion that runs at a stop is waited for, since only its answer says what it did. */
const PATIENCE_MS = 5000;

/**
 * An answer: what remains, and where to go on, if the portion need not have done anything; how far a walk has come.
 * @typedef {{ remaining: number, position?: string, looked?: number, of?: number }} Portion
 */

/**
 * How far it is: `done` in all, the `last` answer, `whole` if nothing remains, `sure` unless an answer did not arrive.
 * @template {Portion} A
 * @typedef {{ done: number, last: A | null, whole: boolean, sure: boolean }} Progress
 */

/**
 * @template {Portion} A
 * @typedef {object} Work
 * @property {(signal: AbortSignal, last: A | null) => Promise<A>} call does one portion; `last` is the answer before
 * @property {(answer: A) => number} amount how much a portion did
 * @property {(done: number, left: number) => string} said words how far it is
 * @property {(left: number) => string} [again] the button for the rest after a failure
 * @property {(progress: Progress<A>) => void} onEnd
 * @property {Tone} tone
 * @property {Child} body
 * @property {AbortSignal} signal the screen's
 */

/**
 * A dialog that repeats `call` until nothing remains.
 *
 * *Stop*, Esc, and whatever else closes the dialog or ends the screen keep the next portion from beginning. `onEnd` follows
 * as soon as the dialog is closed and something was done or may have been.
 * @template {Portion} A
 * @param {Work<A> & DialogLook} work
 */
export function portionsDialog({ body, tone, call, amount, said, again, onEnd, signal, ...look }) {
  const bar = meter(tone, 0, { role: 'progressbar', 'aria-label': look.title, 'aria-valuemin': '0', 'aria-valuemax': '100', hidden: true });
  const words = h('p.hint', { role: 'status' });
  /** @type {Progress<A>} */
  const progress = { done: 0, last: null, whole: false, sure: true };
  /** @param {A} last */
  const show = (last) => {
    bar.fill(last.of ? (last.looked ?? 0) / last.of : progress.done / Math.max(1, progress.done + last.remaining));
    words.textContent = said(progress.done, last.remaining);
    if (again) opened.relabel(again(last.remaining));
  };
  const opened = dialog({
    ...look, stoppable: true, body: [body, bar, words],
    action: async (stop) => {
      bar.hidden = false;
      words.textContent ||= t('portions.begun');
      await inPortions({ call, amount, show }, progress, AbortSignal.any([stop, signal]));
    },
    onDone: () => onEnd(progress),
    onLeave: () => { if (progress.done > 0 || !progress.sure) onEnd(progress); },
  });
}

/**
 * Adds each portion to `progress` as it comes, until nothing remains, nothing moves, or `stop` is aborted.
 * @template {Portion} A
 * @param {Pick<Work<A>, 'call' | 'amount'> & { show: (last: A) => void }} work
 * @param {Progress<A>} progress
 * @param {AbortSignal} stop
 */
async function inPortions({ call, amount, show }, progress, stop) {
  const cut = new AbortController();
  /** @type {number | undefined} */
  let patience;
  stop.addEventListener('abort', () => { patience = setTimeout(() => cut.abort(), PATIENCE_MS); }, { once: true });
  try {
    let last;
    do {
      last = await call(cut.signal, progress.last);
      progress.last = last;
      progress.done += amount(last);
      progress.whole = last.remaining === 0;
      show(last);
    } while (!progress.whole && !stop.aborted && (amount(last) > 0 || last.position));
  } catch (error) {
    // Whatever else went wrong, the server may have done this portion.
    if (!(error instanceof ApiError)) progress.sure = false;
    if (!stop.aborted) throw error;
  } finally {
    clearTimeout(patience);
  }
}
