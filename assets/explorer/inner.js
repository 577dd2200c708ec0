// @ts-check
/** What a norm and a feed-forward network did, as facts. `viz/norms.py` and `viz/feedforward.py` are the reference. */

/** @typedef {import("./store.js").Tensor} Tensor @typedef {import("./store.js").Bundle} Bundle @typedef {import("./store.js").Selection} Selection */

/** @param {Tensor} tensor @param {number} i @param {number} j @returns {number} */
const cell = (tensor, i, j) => tensor.data[i * tensor.shape[1] + j];

/** The stages that are norms. */
export const NORMS = ["norm", "add_norm", "written_norm", "mlp_norm", "mlp_add_norm", "mlp_written_norm", "final_norm"];

/** The bundles of their numbers: each has that before a sublayer, or after its sum. */
export const NORM_BUNDLES = ["norm", "written_norm", "mlp_norm", "mlp_written_norm", "final_norm"];

/** @param {Bundle | undefined} norm @param {Selection} at */
export function normed(norm, at) {
  if (!norm?.norm) return {};
  const size = norm.norm_given.shape[1];
  const row = Array.from(norm.norm_given.data.subarray(at.query * size, (at.query + 1) * size));
  const place = Math.min(at.dimension, size - 1);
  const average = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0) / size;
  const mean = norm.beta ? average(row) : 0;
  const spread = average(row.map((value) => (value - mean) ** 2));
  const root = Math.sqrt(spread + norm.norm_epsilon.data[0]);
  const added = norm.attention_output ?? norm.mlp_output;
  const written = added ? cell(added, at.query, place) : 0;
  return {
    norm_size: size, norm_given: row[place], norm_mean: mean, norm_spread: spread, norm_root: root, norm_plain: (row[place] - mean) / root,
    ...columned(norm, at.query, place), gamma: norm.gamma.data[place], beta: norm.beta?.data[place] ?? 0, normed: cell(norm.norm, at.query, place), written, before_sum: row[place] - written,
  };
}

/** What BatchNorm would take: one dimension of every token. @param {Bundle} norm @param {number} query @param {number} place */
function columned(norm, query, place) {
  const [rows, size] = norm.norm_given.shape;
  const column = Array.from({ length: rows }, (_, i) => norm.norm_given.data[i * size + place]);
  const average = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0) / rows;
  const mean = average(column);
  const spread = average(column.map((value) => (value - mean) ** 2));
  return { column_size: rows, column_mean: mean, column_spread: spread, column_plain: (column[query] - mean) / Math.sqrt(spread + norm.norm_epsilon.data[0]) };
}

/** @param {Bundle} mlp @param {Selection} at */
export function feedForward(mlp, at) {
  const place = Math.min(at.unit, mlp.units.shape[1] - 1);
  const value = (/** @type {string} */ name) => (mlp[name] ? cell(mlp[name], at.query, place) : 0);
  return {
    unit: mlp.units.data[place], units: mlp.units_all.data[0], units_shown: mlp.units.shape[1], units_on: mlp.units_on.data[at.query],
    units_zero: mlp.units_zero.data[at.query], units_zero_mean: mlp.units_zero.data.reduce((/** @type {number} */ total, /** @type {number} */ share) => total + share, 0) / mlp.units_zero.data.length,
    units_silent: mlp.units_silent.data[0],
    mlp_up: value("up"), mlp_gate: value("gate"), mlp_active: value("active"), mlp_hidden: value("hidden"),
    mlp_written: cell(mlp.mlp_output, at.query, Math.min(at.dimension, mlp.mlp_output.shape[1] - 1)),
  };
}
