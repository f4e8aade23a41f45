// @ts-check
// Whether an organization's data fit together; what does not is named, and mended.

/** @import { OrganizationScreen } from '../screen.js' */
/** @import { Progress } from '../portions.js' */

/** @typedef {Api.Answer<'repairTenant'>} Repaired */

import { api, button, card, fill, h, note, number, portionsDialog, submit, t } from '../screen.js';

// Damage may be as large as the data; nobody reads more of it.
const LISTED = 50;

/** @param {OrganizationScreen} here */
export function checkCard(here) {
  const result = h('div.stack', { role: 'status' });
  /** @param {string} message */
  const fail = (message) => fill(result, note('bad', h('p', message)));
  const look = async () => {
    /** @type {string[]} */
    const findings = [];
    /** @type {Api.Answer<'checkTenant'> | undefined} */
    let answer;
    do {
      answer = await api.check(here.id, answer?.position);
      findings.push(...answer.findings, ...answer.unlooked ?? []);
      if (answer.position) fill(result, h('p.hint', t('check.looked', { n: number(answer.looked ?? 0), of: number(answer.of ?? 0) })));
    } while (answer.position && findings.length <= LISTED && !here.signal.aborted);
    if (here.signal.aborted) return;
    if (findings.length === 0) fill(result, note('good', h('p', t('check.sound'))));
    else fill(result, list('check.found', findings), h('div', button(t('check.repair'), { onclick: () => repairDialog(here, repaired) })));
  };
  const go = button(t('check.go'), { icon: 'search', 'data-key': 'check', onclick: () => submit(go, look, fail) });
  // Looked at once more, so that the answer is what is there and not what was meant.
  /** @param {Progress<Repaired>} progress */
  const repaired = ({ done, last, whole, sure }) => {
    if (here.signal.aborted) return;
    go.focus();
    const said = whole ? note('good', h('p', t('check.mended', { n: done })))
      : note('warn', h('p', t(sure ? 'check.stopped' : 'check.unsure', { n: done })));
    submit(go, async () => {
      if (whole && last && last.left.length > 0) fill(result, list('check.left', last.left));
      else await look();
      result.prepend(said);
    }, fail);
  };
  return card(t('check.title'), h('p.hint', t('check.text')), h('div', go), result);
}

/**
 * Findings, in the server's words.
 * @param {string} title
 * @param {string[]} findings
 */
function list(title, findings) {
  return [note('warn', h('p', t(title, { n: findings.length }))),
    h('ul.plain-list.break', { lang: 'en' }, findings.slice(0, LISTED).map((text) => h('li', text)), findings.length > LISTED && h('li', '…'))];
}

/**
 * @param {OrganizationScreen} here
 * @param {(progress: Progress<Repaired>) => void} onEnd
 */
function repairDialog(here, onEnd) {
  /** @type {string[]} */
  const left = [];
  portionsDialog({
    title: t('check.repairTitle'), confirm: t('check.repair'), tone: 'good', signal: here.signal, body: h('p', t('check.repairText')),
    call: async (signal, /** @type {Repaired | null} */ last) => {
      const answer = await api.repair(here.id, last?.position, signal);
      left.push(...answer.left, ...answer.unlooked ?? []);
      return { ...answer, left };
    },
    amount: ({ mended }) => mended,
    said: (mended, left) => t('check.progress', { n: mended, left: number(left) }),
    onEnd,
  });
}
