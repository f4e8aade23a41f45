// How well words can be read in the states that a control has for a moment, by WCAG 2.2 §1.4.3. axe sees none of these.

/** What a control looks like at rest, under the pointer, pressed, and focused from the keyboard. */
const STATES = [[], ['hover'], ['hover', 'active'], ['focus', 'focus-visible']];
const RATIO_MIN = 4.5;

/** Every control of a page in every state, disabled as well: those whose words are too faint. */
export async function faint(view, within = 'body') {
  const client = await view.context().newCDPSession(view);
  await client.send('DOM.enable');
  await client.send('CSS.enable');
  const { root } = await client.send('DOM.getDocument', { depth: 0 });
  const { nodeIds } = await client.send('DOM.querySelectorAll', { nodeId: root.nodeId, selector: `${within} :is(button, a, summary, label)` });
  const found = [];
  for (const disabled of [false, true]) {
    await view.evaluate(disable, [within, disabled]);
    for (const state of STATES) {
      await Promise.all(nodeIds.map((nodeId) => client.send('CSS.forcePseudoState', { nodeId, forcedPseudoClasses: state })));
      const name = [disabled ? 'disabled' : 'enabled', ...state].join(', ');
      for (const [words, ratio] of await view.evaluate(ratios, `${within} :is(button, a, summary, label)`)) {
        if (ratio < RATIO_MIN) found.push(`${words}: ${ratio.toFixed(2)} (${name})`);
      }
    }
  }
  await view.evaluate(disable, [within, null]);
  await client.detach();
  return found;
}

/** The contrast of each word of one control as it is now. */
export async function ratiosOf(locator) {
  const id = `r${Math.random().toString(36).slice(2)}`;
  await locator.evaluate((node, mark) => node.setAttribute('data-ratio', mark), id);
  return (await locator.page().evaluate(ratios, `[data-ratio=${id}]`)).map(([, ratio]) => ratio);
}

/** Makes every button one that cannot be pressed, or one that can; null makes it what it was. */
function disable([within, disabled]) {
  for (const node of document.querySelectorAll(`${within} button`)) {
    node.dataset.was ??= String(node.disabled);
    node.disabled = disabled ?? node.dataset.was === 'true';
    if (disabled === null) delete node.dataset.was;
  }
}

/** Runs in the page: of each word in the elements what it says, and the ratio of its colour to what is behind it. */
function ratios(selector) {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [r2, g2, b2]) => [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1];
  const lineage = (node) => (node ? [...lineage(node.parentElement), node] : []);
  const painted = (node) => {
    let behind = [255, 255, 255, 1];
    let shown = 1;
    for (const one of lineage(node)) {
      const style = getComputedStyle(one);
      shown *= Number(style.opacity);
      behind = over(rgba(style.backgroundColor), behind);
    }
    const [r, g, b, a] = rgba(getComputedStyle(node).color);
    return [over([r, g, b, a * shown], behind), behind];
  };
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = ([one, other]) => { const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b); return (light + 0.05) / (dark + 0.05); };
  return [...document.querySelectorAll(selector)].flatMap((element) => {
    const found = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { parentElement: parent, nodeValue: words } = walker.currentNode;
      if (words.trim() && !parent.closest('.vh') && parent.checkVisibility({ checkVisibilityCSS: true })) found.push([words, ratio(painted(parent))]);
    }
    return found;
  });
}
