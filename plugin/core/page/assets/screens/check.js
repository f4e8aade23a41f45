// Whether an organization's data fit together; what does not is named, and mended.

import { api, button, card, dialog, fill, h, inPortions, note, number, submit, t } from '../screen.js';

// Damage may be as large as the data; nobody reads more of it.
const LISTED = 50;

export function checkCard(here) {
  const result = h('div.stack', { role: 'status' });
  const fail = (message) => fill(result, note('bad', h('p', message)));
  const look = async () => {
    const { findings } = await api.check(here.id);
    if (findings.length === 0) return fill(result, note('good', h('p', t('check.sound'))));
    return fill(result, list('check.found', findings), h('div', button(t('check.repair'), { onclick: () => repairDialog(here, repaired) })));
  };
  const go = button(t('check.go'), { icon: 'search', 'data-key': 'check', onclick: () => submit(go, look, fail) });
  // Looked at once more, so that the answer is what is there and not what was meant.
  const repaired = ({ mended, left }) => {
    go.focus();
    submit(go, async () => {
      if (left.length === 0) await look();
      else fill(result, list('check.left', left));
      result.prepend(note('good', h('p', t('check.mended', { n: mended }))));
    }, fail);
  };
  return card(t('check.title'), h('p.hint', t('check.text')), h('div', go), result);
}

/** Findings, in the server's words. */
const list = (title, findings) => [note('warn', h('p', t(title, { n: findings.length }))),
  h('ul.plain-list.break', { lang: 'en' }, findings.slice(0, LISTED).map((text) => h('li', text)), findings.length > LISTED && h('li', '…'))];

function repairDialog(here, onRepaired) {
  const progress = h('p.hint', { role: 'status' });
  let answer;
  dialog({
    title: t('check.repairTitle'), confirm: t('check.repair'),
    body: [h('p', t('check.repairText')), progress],
    action: async () => {
      answer = await inPortions(() => api.repair(here.id), 'mended', (n, left) => { progress.textContent = t('check.progress', { n, left: number(left) }); });
    },
    onDone: () => onRepaired(answer),
  });
}
