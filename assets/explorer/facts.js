// @ts-check
/** A run's arrays and a selection → the facts of each step. `viz/steps.py` computes the same and is the reference. */

/** @typedef {import("./store.js").Store} Store */

/** As in viz/steps.py: one key has half of the weight; the largest weight is hardly above an even share. */
const SHARP = 0.5;
const UNIFORM = 1.5;

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

/** Every fact of the selection in view. @param {Store} store @returns {Record<string, any>} */
export function facts(store) {
  const { run, arrays } = store.state;
  const at = store.active;
  const block = store.block;
  return {
    ...names(store, at, block),
    ...sizes(run, block, at),
    ...(arrays.stream ? streamFacts(arrays.stream, at, run.model) : {}),
    ...(arrays.head ? { ...vectors(arrays.head, at), ...softmax(arrays.head, at), ...top(store, arrays.head, at, block) } : {}),
  };
}

/** @param {Store} store @param {import("./store.js").Selection} at @param {any} block */
function names(store, at, block) {
  const { run, request, config } = store.state;
  const tokens = store.tokens(block.queryStream);
  const decoder = block.queryStream === "decoder";
  const stream = config.texts.ui[`stream_${block.queryStream}`]?.[store.state.lang];
  return {
    text_literal: literal(run.text), target_literal: literal(run.target), language_literal: literal(request.language),
    model: run.model.name, block: block.name, head: at.head, stream: at.depth === "code" ? block.queryStream : stream,
    query: at.query, key: at.key,
    channel: ["embedding", "position"].includes(at.stage) ? at.dimension : at.channel,
    query_token: tokens[at.query]?.text, key_token: store.tokens(block.keyStream)[at.key]?.text,
    predicted_token: decoder ? run.predictions[at.query] : "", token_id: tokens[at.query]?.id,
  };
}

/** A Python literal. @param {string | null | undefined} text */
const literal = (text) => (text == null ? "None" : JSON.stringify(text));

/** @param {any} run @param {any} block @param {import("./store.js").Selection} at */
function sizes(run, block, at) {
  const { d_model, d_head, layers, heads, vocabulary } = run.model;
  return {
    n_query: run.tokens[block.queryStream].length, n_key: run.tokens[block.keyStream].length,
    d_model, d_head, layers, heads, vocabulary, scale: block.scale,
    root_d_model: Math.sqrt(d_model), root_d_head: Math.sqrt(d_head),
    error: block.errors[at.head], tolerance: run.tolerance,
  };
}

/** @param {import("./store.js").Bundle} stream @param {import("./store.js").Selection} at @param {any} model */
function streamFacts(stream, at, model) {
  const embedding = cell(stream.token_embedding, at.query, at.dimension);
  const position = cell(stream.position_encoding, at.query, at.dimension);
  const pair = Math.floor(at.dimension / 2);
  return {
    embedding, position, sum: embedding + position, pair,
    table_value: embedding / Math.sqrt(model.d_model),
    angle: at.query * 10000 ** ((-2 * pair) / model.d_model), pair_exponent: 2 * pair,
    wavelength: 2 * Math.PI * 10000 ** ((2 * pair) / model.d_model),
  };
}

/** @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at */
function vectors(head, at) {
  const terms = products(row(head.query, at.query), row(head.key, at.key));
  const first = largest(terms);
  return {
    query_value: cell(head.query, at.query, at.channel), key_value: cell(head.key, at.key, at.channel),
    value_value: cell(head.value, at.key, at.channel), context: cell(head.context, at.query, at.channel),
    product: sum(terms), largest_dimension: first, largest_product: terms[first],
  };
}

/** @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at */
function softmax(head, at) {
  const masked = row(head.masked_scores, at.query);
  const rowMax = Math.max(...masked);
  const exponentials = Array.from(masked, (score) => Math.exp(score - rowMax));
  const weight = cell(head.weights, at.query, at.key);
  return {
    score: cell(head.scores, at.query, at.key), masked_score: masked[at.key], row_max: rowMax,
    shifted: masked[at.key] - rowMax, exponential: exponentials[at.key], row_sum: sum(exponentials),
    weight, percent: 100 * weight, may: Boolean(cell(head.mask, at.query, at.key)),
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

/** The id of the sentence that reads this row. @param {any} block @param {Record<string, any>} said */
export function reading(block, said) {
  const sharp = said.top_weight >= SHARP;
  if (block.kind === "cross") return sharp ? "cross_sharp" : "cross_broad";
  if (block.queryStream === "decoder") return said.query === 0 ? "decoder_first" : sharp ? "decoder_sharp" : "decoder_broad";
  if (sharp) return said.top_key === said.query ? "self_sharp" : "sharp";
  return said.top_weight < UNIFORM / said.n_key ? "uniform" : "broad";
}
