// Setup, as the help page tells it: provider, confirmation, Entra's screens one by one, done.

import { ApiError, api } from '../api.js';
import { fill, h, icon } from '../dom.js';
import { clock, number, rich, t } from '../i18n.js';
import { live } from '../live.js';
import { announce, button, card, load, note, submit } from '../widgets.js';
import { credentials, mappings } from './details.js';
import { connectionOf, forget } from './frame.js';

const STAGES = ['provider', 'confirm', 'entra'];
const STEPS = ['app', 'provisioning', 'configuration', 'bearer', 'test', 'groups', 'mappings', 'assign', 'start'];

// Steps ticked off, by organization. Only a help while the page is open: the connection itself is saved by the server.
const ticked = new Map();

export function setup(content, here) {
  here.title(t('setup.title'));
  load(content, async () => {
    const connection = await connectionOf(await here.refresh());
    if (connection && connection.state !== 'ended') return entra(connection, here);
    const { identityProviders } = await api.providers();
    const place = h('div.stack.narrow');
    provider(place, identityProviders, here);
    return place;
  }, { signal: here.signal });
}

function stages(current) {
  return h('ol.stages', { 'aria-label': t('setup.progress') }, STAGES.map((stage, i) => {
    const done = i < STAGES.indexOf(current);
    return h('li', { 'aria-current': stage === current ? 'step' : null, class: done ? 'done' : null },
      h('span.dot', done ? icon('check') : String(i + 1)), h('span', t(`setup.stage.${stage}`), done && h('span.vh', ` ${t('setup.stage.done')}`)));
  }));
}

function provider(place, providers, here) {
  const form = h('form.stack', { onsubmit: (event) => { event.preventDefault(); confirm(place, providers, providers.find(({ id }) => id === form.elements.provider.value), here); } },
    h('fieldset.choices', h('legend.vh', t('setup.provider.title')), providers.map(({ id, name }, i) => h('label.choice',
      h('input', { type: 'radio', name: 'provider', value: id, checked: i === 0 }), h('span.choice-name', name)))),
    h('p.hint', t('setup.provider.hint')),
    h('div.row', button(t('next'), { kind: 'primary', type: 'submit', icon: 'right' })));
  fill(place, h('h1', t('setup.title')), stages('provider'), h('h2', t('setup.provider.title')), form);
}

function confirm(place, providers, chosen, here) {
  const problem = h('div', { role: 'alert' });
  const start = button(t('setup.start'), { kind: 'primary' });
  start.addEventListener('click', async () => {
    problem.replaceChildren();
    const done = await submit(start, async () => {
      // Somebody else may have started it meanwhile: then there is nothing left to start.
      await api.connect(here.id, chosen.id).catch((error) => { if (!(error instanceof ApiError && error.code === 'already_connected')) throw error; });
      return true;
    }, (message) => problem.replaceChildren(note('bad', h('p', message))));
    if (!done) return;
    forget(here.id);
    ticked.delete(here.id);
    here.redraw();
  });
  const heading = h('h2', { tabindex: '-1' }, t('setup.confirm.title'));
  fill(place, h('h1', t('setup.title')), stages('confirm'), heading,
    h('p', t('setup.confirm.lead', { provider: chosen.name, name: here.tenant.name })),
    h('ul.points', ['oneway', 'stored', 'changes', 'secret', 'seats'].map((point) =>
      h('li', h('div', h('b', t(`setup.confirm.${point}`)), h('p', t(`setup.confirm.${point}.text`, { product: here.product.productName })))))),
    problem,
    h('div.row', start, button(t('back'), { kind: 'quiet', onclick: () => { provider(place, providers, here); place.querySelector('h1').tabIndex = -1; place.querySelector('h1').focus(); } })));
  heading.focus();
}

function entra(connection, here) {
  if (!ticked.has(here.id)) ticked.set(here.id, new Set());
  const done = ticked.get(here.id);
  const steps = checklist(connection, here, done);
  const ear = listener(connection, here, (step) => steps.complete(step));
  return [
    h('h1', t('setup.title')), stages('entra'),
    h('p.lead', t('setup.entra.lead')),
    h('div.setup',
      h('div.setup-rail.stack', card(t('setup.values'), credentials(connection), note('warn', h('p', t('setup.values.secret')))), ear),
      h('div.setup-steps.stack', steps,
        h('div.card.finish', h('div', h('h2', t('setup.finish')), h('p.hint', t('setup.finish.hint'))),
          button(t('setup.done'), { kind: 'primary', icon: 'check', onclick: () => { announce(t('setup.saved')); here.go(here.base); } })))),
  ];
}

/** The steps in Entra: one open, the others a line each; every one can be opened again. */
function checklist(connection, here, done) {
  let open = STEPS.find((step) => !done.has(step)) ?? null;
  const list = h('ol.steps');
  const parts = new Map(STEPS.map((step, i) => [step, part(step, i)]));

  function part(step, i) {
    const id = `step-${step}`;
    const dot = h('span.dot', { 'aria-hidden': 'true' });
    const state = h('span.vh');
    const toggle = h('button', { type: 'button', class: 'step-head', 'aria-controls': id, onclick: () => { open = open === step ? null : step; draw(); } },
      dot, h('span.step-title', h('span.vh', `${t('setup.step', { n: i + 1 })} `), t(`step.${step}.title`)), state, icon('chevron', 'turn'));
    const body = h('div.step-body.stack', { id },
      h('ol.clicks', rich(`step.${step}.do`, { product: here.product.productName }).reduce(lines, [[]]).map((line) => h('li', line))),
      step === 'mappings' && [mappings(connection), h('p.hint', rich('step.mappings.hint'))],
      step === 'bearer' && h('p.hint', t('step.bearer.hint')),
      h('div.row', button(t(i === STEPS.length - 1 ? 'setup.step.last' : 'setup.step.next'), { icon: 'check', onclick: () => next(step) })));
    return { node: h('li', h('h2', toggle), body), toggle, body, dot, state, i };
  }

  const draw = () => {
    for (const [step, { node, toggle, body, dot, state, i }] of parts) {
      const ready = done.has(step);
      toggle.setAttribute('aria-expanded', String(step === open));
      body.hidden = step !== open;
      node.classList.toggle('done', ready);
      node.classList.toggle('open', step === open);
      fill(dot, ready ? icon('check') : String(i + 1));
      state.textContent = ready ? t('setup.stage.done') : '';
    }
  };
  const next = (step) => {
    done.add(step);
    open = STEPS.slice(STEPS.indexOf(step) + 1).find((one) => !done.has(one)) ?? null;
    draw();
    if (open) parts.get(open).toggle.focus();
    else document.querySelector('.finish button').focus();
  };

  list.append(...[...parts.values()].map(({ node }) => node));
  // The traffic proves steps: what was seen to work needs no tick by hand. The focus stays where it is.
  list.complete = (last) => {
    const proved = STEPS.slice(0, STEPS.indexOf(last) + 1).filter((step) => !done.has(step));
    if (proved.length === 0) return;
    const follow = proved.includes(open);
    proved.forEach((step) => done.add(step));
    const inside = follow && open && parts.get(open).node.contains(document.activeElement);
    if (follow) open = STEPS.find((step) => !done.has(step)) ?? null;
    draw();
    if (inside) (open ? parts.get(open).toggle : document.querySelector('.finish button')).focus();
  };
  draw();
  return list;
}

/** Splits rich text at its line ends: one list per line. */
function lines(rows, piece) {
  if (typeof piece !== 'string') rows.at(-1).push(piece);
  else piece.split('\n').forEach((text, i) => { if (i > 0) rows.push([]); rows.at(-1).push(text); });
  return rows;
}

/** Listens while the admin works in the other window. */
function listener(connection, here, prove) {
  const face = h('div.ear', { role: 'status' });
  const counts = h('p.hint');
  let heard = '';
  live(async () => {
    const activity = await api.activity(here.id);
    here.health(activity.state);
    const news = whatArrived(activity, connection);
    const { used = 0 } = activity.seats ?? {};
    counts.textContent = used > 0 ? t('listen.users', { n: used }) : '';
    if (news.ok) prove(activity.lastChangeAt >= connection.startedAt ? 'start' : 'test');
    if (heard === news.key) return;
    heard = news.key;
    face.className = `ear ${news.tone}`;
    fill(face, news.tone === 'busy' ? h('span.pulse', { 'aria-hidden': 'true' }) : icon(news.tone === 'good' ? 'ok' : 'bad', 'big'),
      h('div', h('b', news.title), h('p', news.text)));
  }, here.signal);
  fill(face, h('span.pulse', { 'aria-hidden': 'true' }), h('div', h('b', t('listen.waiting')), h('p', t('listen.waiting.text'))));
  face.classList.add('busy');
  return card(t('listen.title'), face, counts, h('p', h('a', { href: `${here.base}/log?probes=1` }, t('listen.log'))));
}

/** The last word counts: a refusal after a success is news again, and so is the success after it. */
function whatArrived({ firstRequest, latestRefusal, lastSuccessAt }, connection) {
  const first = firstRequest?.time >= connection.startedAt ? firstRequest : null;
  const refusedLast = latestRefusal && latestRefusal.time > (lastSuccessAt ?? '') && latestRefusal.time >= connection.startedAt;
  if (refusedLast) {
    const hint = latestRefusal.tokenHint;
    const ours = connection.tokens.at(-1)?.hint ?? '';
    return { key: `bad ${latestRefusal.time}`, tone: 'bad', title: t('listen.refused', { time: clock(latestRefusal.time) }),
      text: hint ? t('listen.token', { hint, ours }) : latestRefusal.status === 401 ? t('listen.notoken') : latestRefusal.detail };
  }
  if (first && first.status < 400) {
    return { key: `ok ${first.time}`, ok: true, tone: 'good', title: t('listen.received', { time: clock(first.time) }), text: t('listen.received.text') };
  }
  if (first) return { key: `bad ${first.time}`, tone: 'bad', title: t('listen.failed', { time: clock(first.time), status: number(first.status) }), text: first.detail ?? '' };
  return { key: 'waiting', tone: 'busy', title: t('listen.waiting'), text: t('listen.waiting.text') };
}
