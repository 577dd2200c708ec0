// @ts-check
/**
 * A stack of the map as rows, from the bottom up. A row stands on the stream, or beside it: then it reads from the stream,
 * writes to it, or both.
 *
 * @typedef {{id: string, part: string, text: string, look: string, tower: string, facts?: Record<string, any>,
 *            layer?: string, block?: string, blocks?: string[], first?: string, stream?: string}} Box
 * @typedef {{boxes: Box[], on: boolean, reads: boolean, writes: boolean, thin: boolean, feeds: string, chips?: boolean}} Row
 */

/** From so many closed layers in a row on, those further away are one box. */
const MANY = 3;

/** @param {Box[]} boxes @param {Partial<Row>} [how] @returns {Row} */
const row = (boxes, how = {}) => ({ boxes, on: true, reads: false, writes: false, thin: false, feeds: "", ...how });

/**
 * @param {any} stack @param {string} open the layer in view @param {Set<string>} unfolded groups of layers that are open
 * @param {boolean} named whether the tower's name stands below it
 * @returns {Row[]}
 */
export function rowsOf(stack, open, unfolded, named) {
  const { tower } = stack;
  const blocks = stack.layers.flatMap((/** @type {any} */ layer) => blocksOf(layer));
  const box = (/** @type {string} */ part, /** @type {string} */ text, /** @type {string} */ look) => ({ id: `${tower}:${part}`, part, text, look, tower, blocks });
  const rows = stack.entrance.map((/** @type {string} */ part) => ({
    tokens: () => row([{ ...box("tokens", "map_tokens", "plain"), stream: stack.tower }], { thin: true }),
    embedding: () => row([box("embedding", "map_embedding", "embedding")]),
    segment: () => row([{ ...box("position", "map_segment", "embedding thin"), id: `${tower}:segment` }], { on: false, writes: true, thin: true }),
    position: () => row([box("position", "map_position", "embedding thin")], { on: false, writes: true, thin: true }),
  })[part]?.()).filter(Boolean);
  if (named) rows.unshift(row([{ ...box("name", `map_tower_${tower}`, "plain name"), blocks: [] }], { thin: true }));
  for (const group of groups(stack.layers, open, unfolded)) rows.push(...(group.length === 1 && group[0].name === open ? floors(group[0], stack) : [closed(group, stack, unfolded)]));
  if (stack.output) rows.push(row([box("output", "map_output", "output")]));
  return rows;
}

/** The blocks of a layer, each once. @param {any} layer @returns {string[]} */
const blocksOf = (layer) => [...new Set(/** @type {string[]} */ (layer.parts.map((/** @type {any} */ part) => part.block)))];

/** The number of a layer. @param {any} layer */
const numberOf = (layer) => layer.name.split(".")[1];

/**
 * The layer in view and its neighbours alone, of many others those further away together.
 * @param {any[]} layers @param {string} open @param {Set<string>} unfolded @returns {any[][]}
 */
function groups(layers, open, unfolded) {
  const at = layers.findIndex((layer) => layer.name === open);
  const fold = (/** @type {any[]} */ some, /** @type {boolean} */ below) => {
    if (some.length <= MANY) return some.map((layer) => [layer]);
    const near = at < 0 ? [] : [below ? some[some.length - 1] : some[0]];
    const far = some.filter((layer) => !near.includes(layer));
    return below ? [far, ...near.map((layer) => [layer])] : [...near.map((layer) => [layer]), far];
  };
  if (at < 0) return fold(layers, true);
  return [...fold(layers.slice(0, at), true), [layers[at]], ...fold(layers.slice(at + 1), false)];
}

/** One closed layer; or several as one box, or unfolded as one button each. @param {any[]} group @param {any} stack @param {Set<string>} unfolded */
function closed(group, stack, unfolded) {
  const feeds = group.flatMap((layer) => layer.parts).find((part) => part.feeds)?.feeds ?? "";
  const [first, last] = [group[0], group[group.length - 1]];
  const one = (/** @type {any} */ layer, /** @type {string} */ text) => ({ id: layer.name, part: "layer", text, facts: { layer: numberOf(layer) }, layer: numberOf(layer), look: layer.parts.length ? "layer" : "layer bare", tower: stack.tower, blocks: blocksOf(layer) });
  if (group.length === 1) return row([one(first, first.parts.length ? "map_layer" : "map_layer_bare")], { feeds });
  const id = `${first.name}…`;
  if (unfolded.has(id)) return row(group.map((layer) => one(layer, "map_number")), { feeds, chips: true });
  const facts = { from: numberOf(first), to: numberOf(last), count: group.length };
  return row([{ id, part: "folded", text: "map_layers", facts, look: "layer folded", tower: stack.tower, first: first.name }], { feeds });
}

/** The rows of an open layer. @param {any} layer @param {any} stack @returns {Row[]} */
function floors(layer, stack) {
  const number = numberOf(layer);
  const rows = [];
  for (let i = 0; i < layer.parts.length; i++) {
    const together = [layer.parts[i]];
    while (layer.parts[i + 1]?.beside) together.push(layer.parts[++i]);
    rows.push(...floor(together, { layer, number, stack }));
  }
  return rows;
}

/** The rows of a part, or of parts that read the same. @param {any[]} parts @param {{layer: any, number: string, stack: any}} where @returns {Row[]} */
function floor(parts, { layer, number, stack }) {
  const common = { layer: number, tower: stack.tower };
  const fed = (/** @type {any} */ part) => !["self", "cross", "recurrent"].includes(part.kind);
  const id = (/** @type {any} */ part, /** @type {string} */ name) => `${fed(part) ? layer.name : part.block}:${name}`;
  const boxes = parts.map((part) => {
    const name = fed(part) ? "feed_forward" : part.kind === "recurrent" ? "recurrent" : "attention";
    return { ...common, id: id(part, name), part: name, text: `map_${part.kind}`, look: part.kind === "rest" ? "rest" : name, block: part.block };
  });
  const norm = (/** @type {any} */ part, /** @type {string} */ text) => ({ ...common, id: id(part, fed(part) ? "mlp_norm" : "norm"), part: fed(part) ? "mlp_norm" : "norm", text, look: "norm thin", block: part.block });
  const { feeds } = parts.find((part) => part.feeds) ?? { feeds: "" };
  if (!stack.residual) return [row(boxes, { feeds })];
  const before = parts.filter((part) => part.norm === "before").map((part) => norm(part, "map_norm"));
  const after = parts.filter((part) => part.norm === "after").map((part) => norm(part, "map_norm"));
  const rows = before.length ? [row(before, { on: false, reads: true, thin: true })] : [];
  rows.push(row(boxes, { on: false, reads: !before.length, writes: true, feeds }));
  return [...rows, ...after.map((box) => row([box], { thin: true }))];
}
