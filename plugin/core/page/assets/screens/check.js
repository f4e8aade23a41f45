// Whether an organization's data fit together; what does not is named, and mended.

import { api, button, card, fill, h, note, number, portionsDialog, submit, t } from '../screen.js';

// Damage may be as large as the data; nobody reads more of it.
const LISTED = 50;

export function checkCard(here) {
  const result = h('div.stack', { role: 'status' });
  const fail = (message) => fill(result, note('bad', h('p', message)));
  const look = async () => {
    const findings = [];
    let answer;
    do {
      answer = await api.check(here.id, answer?.position);
      findings.push(...answer.findings, ...answer.unlooked ?? []);
      if (answer.position) fill(result, h('p.hint', t('check.looked', { n: number(answer.looked), of: number(answer.of) })));
    } while (answer.position && findings.length <= LISTED && !here.signal.aborted);
    if (here.signal.aborted) return undefined;
    if (findings.length === 0) return fill(result, note('good', h('p', t('check.sound'))));
    return fill(result, list('check.found', findings), h('div', button(t('check.repair'), { onclick: () => repairDialog(here, repaired) })));
  };
  const go = button(t('check.go'), { icon: 'search', 'data-key': 'check', onclick: () => submit(go, look, fail) });
  // Looked at once more, so that the answer is what is there and not what was meant.
  const repaired = ({ done, last, whole, sure }) => {
    if (here.signal.aborted) return;
    go.focus();
    submit(go, async () => {
      if (whole && last.left.length > 0) fill(result, list('check.left', last.left));
      else await look();
      result.prepend(whole ? note('good', h('p', t('check.mended', { n: done }))) : note('warn', h('p', t(sure ? 'check.stopped' : 'check.unsure', { n: done }))));
    }, fail);
  };
  return card(t('check.title'), h('p.hint', t('check.text')), h('div', go), result);
}

/** Findings, in the server's words. */
const list = (title, findings) => [note('warn', h('p', t(title, { n: findings.length }))),
  h('ul.plain-list.break', { lang: 'en' }, findings.slice(0, LISTED).map((text) => h('li', text)), findings.length > LISTED && h('li', '…'))];

function repairDialog(here, onEnd) {
  const left = [];
  portionsDialog({
    title: t('check.repairTitle'), confirm: t('check.repair'), tone: 'good', here, body: h('p', t('check.repairText')),
    call: async (signal, last) => {
      const answer = await api.repair(here.id, last?.position, signal);
      left.push(...answer.left, ...answer.unlooked ?? []);
      return { ...answer, left };
    },
    unit: 'mended',
    said: (mended, left) => t('check.progress', { n: mended, left: number(left) }),
    onEnd,
  });
}
