// What the server does in portions, so that no request runs long: behind a dialog that says how far it is, and stops it.

import { ApiError } from './api.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { dialog, meter } from './widgets.js';

/** How long the portion that runs at a stop is waited for, since only its answer says what it did. */
const PATIENCE_MS = 5000;

/**
 * A dialog that repeats `call(signal, last)` until nothing remains; `last` is the answer before. Each answer says under the
 * name `unit` how much it did, under `remaining` what is left, and under `position` where to go on, if it need not have done
 * anything; `said(done, left)` words it, and `again(left)` the button for the rest after a failure.
 *
 * *Stop*, Esc, and whatever else closes the dialog or ends the screen `here` keep the next portion from beginning. `onEnd`
 * follows as soon as the dialog is closed and something was done or may have been: `done` in all, the `last` answer, `whole`
 * if nothing remains, `sure` unless an answer did not arrive.
 */
export function portionsDialog({ body, tone, call, unit, said, again, onEnd, here, ...shown }) {
  const bar = meter(tone, 0, { role: 'progressbar', 'aria-label': shown.title, 'aria-valuemin': '0', 'aria-valuemax': '100', hidden: true });
  const words = h('p.hint', { role: 'status' });
  const progress = { done: 0, last: null, whole: false, sure: true };
  const show = ({ done, last }) => {
    bar.fill(last.of ? last.looked / last.of : done / Math.max(1, done + last.remaining));
    words.textContent = said(done, last.remaining);
    if (again) opened.relabel(again(last.remaining));
  };
  const opened = dialog({
    ...shown, stoppable: true, body: [body, bar, words],
    action: (stop) => {
      bar.hidden = false;
      words.textContent ||= t('portions.begun');
      return inPortions(call, unit, progress, show, AbortSignal.any([stop, here.signal]));
    },
    onDone: () => onEnd(progress),
    onLeave: () => { if (progress.done > 0 || !progress.sure) onEnd(progress); },
  });
}

/** Adds each portion to `progress` as it comes, until nothing remains, nothing moves, or `stop` is aborted. */
async function inPortions(call, unit, progress, show, stop) {
  const cut = new AbortController();
  let patience;
  stop.addEventListener('abort', () => { patience = setTimeout(() => cut.abort(), PATIENCE_MS); }, { once: true });
  try {
    do {
      progress.last = await call(cut.signal, progress.last);
      progress.done += progress.last[unit];
      progress.whole = progress.last.remaining === 0;
      show(progress);
    } while (!progress.whole && !stop.aborted && (progress.last[unit] > 0 || progress.last.position));
  } catch (error) {
    // Whatever else went wrong, the server may have done this portion.
    if (!(error instanceof ApiError)) progress.sure = false;
    if (!stop.aborted) throw error;
  } finally {
    clearTimeout(patience);
  }
}
