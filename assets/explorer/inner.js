// @ts-check
/** What a norm and a feed-forward network did, as facts. `viz/norms.py` and `viz/feedforward.py` are the reference. */

/** @typedef {import("./store.js").Tensor} Tensor @typedef {import("./store.js").Bundle} Bundle @typedef {import("./store.js").Selection} Selection */

/** @param {Tensor} tensor @param {number} i @param {number} j @returns {number} */
const cell = (tensor, i, j) => tensor.data[i * tensor.shape[1] + j];

/** @param {Bundle} norm @param {Selection} at */
export function normed(norm, at) {
  const size = norm.norm_given.shape[1];
  const row = Array.from(norm.norm_given.data.subarray(at.query * size, (at.query + 1) * size));
  const place = Math.min(at.dimension, size - 1);
  const average = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0) / size;
  const mean = norm.beta ? average(row) : 0;
  const spread = average(row.map((value) => (value - mean) ** 2));
  const root = Math.sqrt(spread + norm.norm_epsilon.data[0]);
  const written = norm.attention_output ? cell(norm.attention_output, at.query, place) : 0;
  return {
    norm_size: size, norm_given: row[place], norm_mean: mean, norm_spread: spread, norm_root: root, norm_plain: (row[place] - mean) / root,
    gamma: norm.gamma.data[place], beta: norm.beta?.data[place] ?? 0, normed: cell(norm.norm, at.query, place), written, before_sum: row[place] - written,
  };
}

/** @param {Bundle} mlp @param {Selection} at */
export function feedForward(mlp, at) {
  const place = Math.min(at.unit, mlp.units.shape[1] - 1);
  const value = (/** @type {string} */ name) => (mlp[name] ? cell(mlp[name], at.query, place) : 0);
  return {
    unit: mlp.units.data[place], units: mlp.units_all.data[0], units_shown: mlp.units.shape[1], units_on: mlp.units_on.data[at.query],
    mlp_up: value("up"), mlp_gate: value("gate"), mlp_active: value("active"), mlp_hidden: value("hidden"),
    mlp_written: cell(mlp.mlp_output, at.query, Math.min(at.dimension, mlp.mlp_output.shape[1] - 1)),
  };
}
