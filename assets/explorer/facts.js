// @ts-check
/** A run's arrays and a selection → the facts of each step. `viz/steps.py` computes the same and is the reference. */

import { feedForward, normed } from "./inner.js";
import { unitFacts } from "./recurrent.js";
import { choiceFacts, followFacts, logitFacts, outputFacts } from "./likely.js";
import { placeFacts } from "./places.js";
import { memoryFacts, residualFacts, writtenFacts } from "./written.js";

/** @typedef {import("./store.js").Store} Store */

/** Stages whose vectors have d_model dimensions. */
const IN_STREAM = ["embedding", "position", "encoding", "step", "norm", "add_norm", "mlp", "written", "residual", "residual_mlp"];

/** Row `i` of a matrix. @param {import("./store.js").Tensor} tensor @param {number} i @returns {Float32Array} */
export const row = (tensor, i) => tensor.data.subarray(i * tensor.shape[1], (i + 1) * tensor.shape[1]);

/** @param {import("./store.js").Tensor} tensor @param {number} i @param {number} j @returns {number} */
export const cell = (tensor, i, j) => tensor.data[i * tensor.shape[1] + j];

/** The terms of a dot product. @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export const products = (a, b) => Array.from(a, (x, i) => x * b[i]);

/** @param {ArrayLike<number>} values */
export const largest = (values) => {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i]) > Math.abs(values[best])) best = i;
  return best;
};

/** @param {Iterable<number>} values */
export const sum = (values) => [...values].reduce((total, value) => total + value, 0);

/** Indices of a row, largest weight first. @param {ArrayLike<number>} weights */
export const ranked = (weights) => Array.from(weights, (_, i) => i).sort((a, b) => weights[b] - weights[a] || a - b);

/** The channel on an axis of so many: values may have fewer than queries. @param {number} channel @param {import("./store.js").Tensor} tensor */
export const within = (channel, tensor) => Math.min(channel, tensor.shape[1] - 1);

/** Every fact of the selection in view. @param {Store} store @returns {Record<string, any>} */
export function facts(store) {
  const { run, arrays } = store.state;
  const at = store.active;
  const block = store.block;
  return {
    ...names(store, at, block),
    ...sizes(run, block, at, arrays),
    ...(arrays.stream?.residual ?? arrays.stream?.token_embedding ? streamFacts(arrays.stream, at, run.model) : {}),
    ...(arrays.head?.weights ? headFacts(store, arrays.head, at, block) : arrays.head?.state ? unitFacts(store, arrays.head, at) : {}),
    ...placeFacts(arrays, at),
    ...(arrays.router ? routed(arrays.router, at) : {}),
    ...(arrays.norm?.norm ? normed(arrays.norm, at) : {}),
    ...writtenFacts(arrays.written, at), ...residualFacts(arrays, at), ...memoryFacts(arrays.projection),
    ...(arrays.mlp?.up ? feedForward(arrays.mlp, at) : {}),
    ...(arrays.logits?.logits && arrays.vectors ? logitFacts(arrays, store.state.selection.query, at, run) : {}),
    ...(arrays.output ? { ...outputFacts(arrays.output, at), ...followFacts(arrays.output), ...choiceFacts(arrays.output, at, run) } : {}),
  };
}

/** @param {Store} store @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at @param {any} block */
function headFacts(store, head, at, block) {
  const shown = { ...at, channel: settled(head, at) };
  return { channel: IN_STREAM.includes(at.stage) ? at.dimension : shown.channel,
    ...vectors(head, shown), ...turned(head, shown, block), ...softmax(head, at), ...parts(store.state.arrays.mask, at), ...top(store, head, at, block) };
}

/** The channel that a stage shows: values may be narrower than queries, and only some channels may be turned. @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at */
export function settled(head, at) {
  const [keys, values] = [head.query.shape[1], head.value.shape[1]];
  const width = at.stage === "qkv" ? Math.min(keys, values) : at.stage === "context" ? values : keys;
  const channel = Math.min(at.channel, width - 1);
  return at.stage === "rotation" && head.pair && !head.pair.data.includes(channel) ? head.pair.data[0] : channel;
}

/** @param {Store} store @param {import("./store.js").Selection} at @param {any} block */
function names(store, at, block) {
  const { run } = store.state;
  const tokens = store.tokens(block.queryStream);
  const token = tokens[at.query];
  const { rows, columns } = run.streams[block.queryStream];
  return {
    arguments_literal: argumentsOf(store),
    model: run.model.name, block: block.name, head: at.head, stream: block.queryStream,
    query: at.query, key: at.key, distance: at.query - at.key,
    query_token: token?.text, key_token: store.tokens(block.keyStream)[at.key]?.text,
    predicted_token: run.predicting === block.queryStream ? run.predictions[at.query] ?? "" : "", token_id: token?.id,
    ...(token?.segment === undefined ? {} : { sentence: "AB"[Math.min(token.segment, 1)] }),
    row: token?.row ?? -1, column: token?.column ?? -1, rows, columns,
    pieces: token?.group === undefined ? 1 : tokens.filter(({ group }) => group === token.group).length,
  };
}

/** What `record` was given besides the model, as Python source. @param {Store} store */
function argumentsOf(store) {
  const { run, request } = store.state;
  const image = run.image && (run.image.startsWith("example:") ? `assets/images/${run.image.slice(8)}.png` : "image.png");
  const named = { target: run.target, language: request.language, image, reading: request.reading };
  return [literal(run.text), ...Object.entries(named).filter(([, value]) => value != null).map(([name, value]) => `${name}=${literal(value)}`)].join(", ");
}

/** A Python literal. @param {string} text */
const literal = (text) => JSON.stringify(text);

/** @param {any} run @param {any} block @param {import("./store.js").Selection} at @param {any} arrays */
function sizes(run, block, at, arrays) {
  const { layers, vocabulary } = run.model;
  const { heads, kvHeads, dHead, dValue, softcap, scale } = block;
  const stream = ["embedding", "position"].includes(at.stage) ? arrays.stream?.token_embedding : arrays.projection?.query_input;
  const d_model = stream?.shape[1] ?? run.model.d_model;
  const [error, , tolerance] = arrays.head?.error.data ?? [0, 0, 0];
  return {
    n_query: run.tokens[block.queryStream].length, n_key: run.tokens[block.keyStream].length,
    d_model, d_head: dHead, d_value: dValue, joined: heads * dValue, layers, heads, vocabulary,
    kv_heads: kvHeads, kv_head: Math.floor((at.head * kvHeads) / heads), sharing: Math.floor(heads / kvHeads),
    scale, softcap, window: block.window,
    root_d_model: Math.sqrt(d_model), root_d_head: Math.sqrt(dHead), error, tolerance,
  };
}

/** @param {import("./store.js").Bundle} stream @param {import("./store.js").Selection} at @param {any} model */
function streamFacts(stream, at, model) {
  const value = (/** @type {string} */ name) => (stream[name] ? cell(stream[name], at.query, at.dimension) : 0);
  const pair = Math.floor(at.dimension / 2);
  return {
    embedding: value("token_embedding"), position: value("position_encoding"), segment: value("segment_embedding"), sum: value("residual"), pair,
    added: value("token_embedding") + value("position_encoding") + value("segment_embedding"),
    table_value: value("token_embedding") / Math.sqrt(model.d_model),
    angle: at.query * 10000 ** ((-2 * pair) / model.d_model), pair_exponent: 2 * pair,
    wavelength: 2 * Math.PI * 10000 ** ((2 * pair) / model.d_model),
  };
}

/** @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at */
function vectors(head, at) {
  const terms = products(row(head.query, at.query), row(head.key, at.key));
  const first = largest(terms);
  const channel = within(at.channel, head.value);
  return {
    query_made: cell(head.query_made, at.query, within(at.channel, head.query)), key_made: cell(head.key_made, at.key, within(at.channel, head.key)),
    query_value: cell(head.query, at.query, within(at.channel, head.query)), key_value: cell(head.key, at.key, within(at.channel, head.key)),
    value_value: cell(head.value, at.key, channel), context: cell(head.context, at.query, channel),
    product: sum(terms), largest_dimension: first, largest_product: terms[first],
  };
}

/** How rotary positions turned the chosen channel's pair. @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at @param {any} block */
function turned(head, at, block) {
  const pair = head.angle && head.pair ? pairOf(head, at.channel) : -1;
  if (pair < 0 || !head.query_made) return {};
  const [first, second] = row(head.pair, pair);
  const [before, after] = [row(head.query_made, at.query), row(head.query, at.query)];
  const other = at.channel === first ? second : first;
  const length = Math.hypot(before[first], before[second]);
  return {
    pair, pairs: head.pair.shape[0], first_channel: first, second_channel: second, ...angles(head, pair, at, block.stages.rotation),
    stretch: length ? Math.hypot(after[first], after[second]) / length : 1,
    query_before: before[at.channel], other_before: before[other], product_before: sum(products(before, row(head.key_made, at.key))),
  };
}

/** The angle of the query's position, and how far it is turned against the key's. @param {import("./store.js").Bundle} head @param {number} pair @param {import("./store.js").Selection} at @param {string} told */
function angles(head, pair, at, told) {
  const angle = (/** @type {number} */ position) => cell(head.angle, position, pair);
  if (told === "rotation_grid") return { angle: angle(at.query), turn: wrapped(angle(at.query) - angle(at.key)) };
  const frequency = frequencyOf(head, pair);
  const expected = angle(0) + at.query * frequency;
  return { angle: expected + wrapped(angle(at.query) - expected), frequency, turn: (at.query - at.key) * frequency };
}

/** The same direction as an angle in [−π, π). @param {number} angle */
const wrapped = (angle) => angle - 2 * Math.PI * Math.floor((angle + Math.PI) / (2 * Math.PI));

/** The rotary pair of a channel; −1 where the channel is not turned. @param {import("./store.js").Bundle} head @param {number} channel */
export function pairOf(head, channel) {
  const at = head.pair.data.indexOf(channel);
  return at < 0 ? -1 : Math.floor(at / 2);
}

/** The angle from one position to the next, in (−π, π]: the direction of all steps together. @param {import("./store.js").Bundle} head @param {number} pair */
export function frequencyOf(head, pair) {
  let [across, along] = [0, 0];
  for (let at = 1; at < head.angle.shape[0]; at++) {
    const step = cell(head.angle, at, pair) - cell(head.angle, at - 1, pair);
    across += Math.sin(step);
    along += Math.cos(step);
  }
  return Math.atan2(across, along);
}

/** Length after ÷ length before of the turned channels: 1, unless the model stretches what it turns. @param {import("./store.js").Bundle} head */
export function stretchOf(head) {
  const squares = (/** @type {Float32Array} */ vector) => sum([...head.pair.data].map((channel) => vector[channel] ** 2));
  return Math.sqrt(squares(row(head.query, 0)) / (squares(row(head.query_made, 0)) || 1));
}

/**
 * The dot product of an unturned query and key, as if the query stood `distance` positions after the key.
 * @param {import("./store.js").Bundle} head @param {number} query @param {number} key @param {number} distance
 */
export function productAt(head, query, key, distance) {
  const [q, k] = [row(head.query_made, query), row(head.key_made, key)];
  let total = sum(products(q, k));
  const square = stretchOf(head) ** 2;
  for (let pair = 0; pair < head.pair.shape[0]; pair++) {
    const [a, b] = row(head.pair, pair);
    const angle = distance * frequencyOf(head, pair);
    const [along, across] = [q[a] * k[a] + q[b] * k[b], q[a] * k[b] - q[b] * k[a]];
    total += square * (along * Math.cos(angle) + across * Math.sin(angle)) - along;
  }
  return total;
}

/** @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at */
function softmax(head, at) {
  const masked = row(head.masked_scores, at.query);
  const sink = head.sink_score ? (head.sink_score.data[at.query] ?? head.sink_score.data[0]) : -Infinity;
  const rowMax = Math.max(sink, ...masked);
  const base = Number.isFinite(rowMax) ? rowMax : 0; // a row that may look nowhere stays −∞
  const exponentials = Array.from(masked, (score) => Math.exp(score - base));
  const weight = cell(head.weights, at.query, at.key);
  const value = (/** @type {string} */ name) => (head[name] ? cell(head[name], at.query, at.key) : 0);
  return {
    score: cell(head.scores, at.query, at.key), capped: value("capped"), bias: value("bias"), unmasked: value("unmasked"), slope: slopeOf(head, at.query),
    masked_score: masked[at.key], row_max: rowMax,
    shifted: masked[at.key] - base, exponential: exponentials[at.key], row_sum: sum(exponentials) + (head.sink_score ? Math.exp(sink - base) : 0),
    sink_score: sink, sink: head.sink ? head.sink.data[at.query] : 0, sink_exponential: head.sink_score ? Math.exp(sink - base) : 0,
    kept: sum(row(head.weights, at.query)),
    weight, percent: 100 * weight, may: Number(cell(head.mask, at.query, at.key)), idle: !row(head.mask, at.query).some(Boolean),
  };
}

/** Which parts of the mask allow this look, 1 or 0; a part that is missing allows it. @param {import("./store.js").Bundle | undefined} mask @param {import("./store.js").Selection} at */
function parts(mask, at) {
  const allowed = (/** @type {string} */ name) => (mask?.[name] ? cell(mask[name], at.query, at.key) : 1);
  return { pattern: allowed("mask_pattern"), padding: allowed("mask_padding"), shift: allowed("mask_shift") };
}

/** By how much the bias of a row grows from one key to the next. @param {import("./store.js").Bundle} head @param {number} query */
function slopeOf(head, query) {
  if (!head.bias) return 0;
  const biases = row(head.bias, query);
  return (biases[biases.length - 1] - biases[0]) / Math.max(1, biases.length - 1);
}

/** @param {import("./store.js").Bundle} router @param {import("./store.js").Selection} at */
function routed(router, at) {
  const weights = row(router.router, at.query);
  const best = ranked(weights)[0];
  const expert = Math.min(at.expert, weights.length - 1);
  return {
    experts: weights.length, experts_chosen: weights.filter(Boolean).length, expert,
    router_weight: weights[expert], router_top: best, router_top_weight: weights[best],
    router_sum: weights.reduce((total, weight) => total + weight, 0),
    router_chance: router.router_probabilities ? cell(router.router_probabilities, at.query, expert) : weights[expert],
  };
}

/** @param {Store} store @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at @param {any} block */
function top(store, head, at, block) {
  const weights = row(head.weights, at.query);
  const order = ranked(weights);
  const keys = store.tokens(block.keyStream);
  const second = order[Math.min(1, order.length - 1)];
  return {
    top_key: order[0], top_token: keys[order[0]].text, top_weight: weights[order[0]],
    second_token: keys[second].text, second_weight: weights[second],
  };
}
