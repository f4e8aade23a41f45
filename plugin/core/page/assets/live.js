// @ts-check
// Live by polling: every 2 s while the page is seen, more rarely while the server is not reached.

import { EVENTS, SignedOut } from './api.js';

const BEAT_MS = 2000;
const BEAT_MS_MAX = 30000;

/**
 * Calls `task` at once and then on each beat until `signal` ends it.
 * @param {() => Promise<unknown>} task
 * @param {AbortSignal} signal
 */
export function live(task, signal) {
  /** @type {number | undefined} */
  let timer;
  let failures = 0;
  let running = false;
  const beat = async () => {
    clearTimeout(timer);
    if (signal.aborted || document.hidden || running) return;
    running = true;
    try {
      await task();
      failures = 0;
    } catch (error) {
      if (error instanceof SignedOut) return;
      failures += 1;
    } finally {
      running = false;
    }
    if (!signal.aborted) timer = setTimeout(beat, Math.min(BEAT_MS * 2 ** failures, BEAT_MS_MAX));
  };
  const wake = () => {
    failures = 0;
    beat();
  };
  document.addEventListener('visibilitychange', beat, { signal });
  window.addEventListener('online', wake, { signal });
  window.addEventListener(EVENTS.retry, wake, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  beat();
}
