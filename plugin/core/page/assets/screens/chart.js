// @ts-check
// The traffic by outcome as bars, and the same numbers as a table.

import { day, fill, h, hour, icon, number, s, segments, t, table } from '../screen.js';

/** @typedef {'hours' | 'days'} Range */
/** @typedef {Pick<Api.Activity, Range>} Traffic */
/** @typedef {{ range: Range, data: Traffic, width: number, mark: string }} State `mark` is what is shown */

const HEIGHT = 168;
const FLOOR = 22;

/** A card's content; `.update(traffic)` redraws. */
export function chart() {
  /** @type {State} */
  const state = { range: 'hours', data: { hours: [], days: [] }, width: 640, mark: '' };
  const picture = h('div.chart');
  const details = h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': t('chart.table') });
  const sum = h('p.chart-sum');
  const redraw = () => {
    draw(picture, state);
    numbers(details, sum, state);
  };
  /** @param {Range} range */
  const choose = (range) => {
    state.range = range;
    redraw();
  };
  const node = h('div.stack',
    h('div.head', sum, segments(t('log.range'), [['hours', t('chart.hours')], ['days', t('chart.days')]], state.range, choose)),
    picture,
    h('ul.legend', h('li', h('i.swatch.success'), t('outcome.success')), h('li', h('i.swatch.failure'), t('outcome.failure'))),
    h('details.more', h('summary', icon('chevron', 'turn'), h('span', t('chart.table'))), details));
  new ResizeObserver(([{ contentRect: { width } }]) => {
    if (width === 0 || Math.abs(width - state.width) <= 1) return;
    state.width = width;
    draw(picture, state);
  }).observe(picture);
  /** @param {Traffic} data */
  const update = (data) => {
    const mark = JSON.stringify([data.hours, data.days]);
    if (state.mark === mark) return;
    Object.assign(state, { data, mark });
    redraw();
  };
  return Object.assign(node, { update });
}

/**
 * @param {HTMLElement} picture
 * @param {State} state
 */
function draw(picture, { range, data, width }) {
  const bars = data[range] ?? [];
  const most = nice(Math.max(1, ...bars.map(total)));
  const gutter = 16 + String(most).length * 8;
  const step = (width - gutter) / Math.max(1, bars.length);
  const thick = Math.max(2, Math.min(28, step * 0.68));
  const room = HEIGHT - FLOOR - 8;
  /** @param {number} n */
  const y = (n) => 8 + room - (n / most) * room;
  const label = range === 'hours' ? hour : day;
  const every = Math.ceil(bars.length / Math.max(2, Math.floor(width / 84)));
  const lines = [0, most / 2, most].filter(Number.isInteger).map((n) => [
    s('line', { x1: gutter, x2: width, y1: y(n), y2: y(n), class: n === 0 ? 'axis' : 'grid' }),
    s('text', { x: gutter - 8, y: y(n) + 4, class: 'tick end' }, number(n))]);
  const columns = bars.map((bar, i) => {
    const x = gutter + i * step + (step - thick) / 2;
    const good = y(0) - y(bar.success);
    const bad = y(0) - y(bar.failure);
    return s('g.bar', s('title', `${label(bar.from)}: ${words(bar)}`),
      s('rect', { x: gutter + i * step, y: 8, width: step, height: room, class: 'reach' }),
      good > 0 && s('rect', { x, y: y(bar.success), width: thick, height: good, rx: 2, class: 'success' }),
      bad > 0 && s('rect', { x, y: y(total(bar)) - (good > 0 ? 1.5 : 0), width: thick, height: Math.max(bad, 2), rx: 2, class: 'failure' }),
      i % every === 0 && s('text', { x: x + thick / 2, y: HEIGHT - 4, class: 'tick' }, label(bar.from)));
  });
  const said = `${t(`chart.${range}`)}: ${sums(bars)}`;
  fill(picture, s('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': said },
    s('defs', s('pattern', { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      s('rect', { width: 6, height: 6, class: 'hatch-ground' }), s('rect', { width: 2, height: 6, class: 'hatch-line' }))),
    lines, columns));
}

/**
 * @param {HTMLElement} place
 * @param {HTMLElement} sum
 * @param {State} state
 */
function numbers(place, sum, { range, data }) {
  const bars = data[range] ?? [];
  sum.textContent = sums(bars);
  fill(place, table([t('log.from'), `#${t('outcome.success')}`, `#${t('outcome.failure')}`], [...bars].reverse().map((bar) => [
    range === 'hours' ? `${day(bar.from)}, ${hour(bar.from)}` : day(bar.from), number(bar.success), number(bar.failure)]), 'small'));
}

/** @typedef {Pick<Api.Total, 'success' | 'failure'>} Sum */

/** @param {Sum} sum */
const total = ({ success, failure }) => success + failure;

/** @param {Sum} sum */
const words = ({ success, failure }) => `${t('chart.success', { n: success })}, ${t('chart.failure', { n: failure })}`;

/** @param {Sum[]} bars */
function sums(bars) {
  return words({ success: bars.reduce((n, bar) => n + bar.success, 0), failure: bars.reduce((n, bar) => n + bar.failure, 0) });
}

/**
 * The next 2, 4, 10, 20, 40, 100 … above: a scale that can be read.
 * @param {number} n
 */
function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return ([2, 4].find((step) => step * power >= n) ?? 10) * power;
}
