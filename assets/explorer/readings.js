// @ts-check
/** Which sentence reads a row and a cell: the rules of `viz/readings.py`, which is the reference. */

import { cell, row } from "./facts.js";

/** As there: one key has half of the weight; the largest weight is hardly above an even share. */
const SHARP = 0.5;
const UNIFORM = 1.5;
const EARLIER = ["causal", "sliding", "chunked", "chosen"];

/** @typedef {import("./store.js").Store} Store */

/** The id of the sentence that reads the active row. @param {Store} store @param {Record<string, any>} said */
export function reading(store, said) {
  const { block } = store;
  const { run } = store.state;
  if (said.idle) return "idle";
  return block.queryStream === run.predicting && said.query < run.predictions.length ? predicting(store, said) : plain(store, said);
}

/** A row that predicts a token is named by it, where that is the point of the row. @param {Store} store @param {Record<string, any>} said */
function predicting(store, said) {
  const { block } = store;
  const { head } = store.state.arrays;
  const decoder = block.queryStream === "decoder";
  if (block.kind === "cross") return `cross_${sharpness(said)}`;
  const first = row(head.mask, 0);
  const alone = said.query === 0 && first[0] && first.reduce((/** @type {number} */ total, /** @type {number} */ may) => total + may, 0) === 1;
  if (decoder && alone && !head.sink_score) return "decoder_first";
  if (isMask(store.tokens(block.queryStream)[said.query])) return "masked_predict";
  return !decoder || isFirst(store, said) ? plain(store, said) : `decoder_${sharpness(said)}`;
}

/** @param {Store} store @param {Record<string, any>} said */
function plain(store, said) {
  const { block } = store;
  if (said.row >= 0) return `patch_${sharpness(said)}`;
  if (isFirst(store, said)) return "first_token";
  if (said.top_weight >= SHARP) return block.kind === "self" && said.top_key === said.query ? "self_sharp" : "sharp";
  const allowed = row(store.state.arrays.head.mask, said.query).reduce((/** @type {number} */ total, /** @type {number} */ may) => total + may, 0);
  return said.top_weight < UNIFORM / allowed ? "uniform" : "broad";
}

/** @param {Record<string, any>} said */
const sharpness = (said) => (said.top_weight >= SHARP ? "sharp" : "broad");

/** Whether most of the row goes to the first token of a text, which is not the query itself. @param {Store} store @param {Record<string, any>} said */
function isFirst(store, said) {
  const { block } = store;
  return block.route !== "builtin" && block.queryStream === block.keyStream && said.query > 0 && said.top_key === 0 && said.top_weight >= SHARP;
}

/** Whether this is the token that stands for a word to be guessed. @param {any} token */
export const isMask = (token) => token?.special && token.text.replace(/^[[\]<>⟨⟩]+|[[\]<>⟨⟩]+$/g, "").toLowerCase() === "mask";

/** The id of the sentence that says what the query gives the key, or why it may not look there. @param {Store} store @param {Record<string, any>} said */
export function cellReading(store, said) {
  const { maskKind, route } = store.block;
  const { mask } = store.state.arrays;
  if (said.may) return "cell";
  if (route === "builtin") return "cell_masked";
  if (mask?.mask_padding && !cell(mask.mask_padding, said.query, said.key)) return "cell_masked_padding";
  if (EARLIER.includes(maskKind) && said.key > said.query) return "cell_masked";
  return ["sliding", "chunked", "chosen", "windows"].includes(maskKind) ? `cell_masked_${maskKind}` : "cell_masked_other";
}
