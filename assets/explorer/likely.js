// @ts-check
/** What a row's outputs say, as facts. `viz/outputs.py` computes the same and is the reference. */

/** Row `i` of a matrix. @param {import("./store.js").Tensor} tensor @param {number} i @returns {Float32Array} */
const row = (tensor, i) => tensor.data.subarray(i * tensor.shape[1], (i + 1) * tensor.shape[1]);

/** How many rows are fetched at once, as there. */
export const ROWS = 64;

/**
 * The best outputs of a row, the most probable first; where the model says one thing of the whole, that.
 * @param {import("./store.js").Bundle} output @param {number} query
 */
export function outputOf(output, query) {
  const at = Math.max(0, Math.min(query - output.first.data[0], output.ids.shape[0] - 1));
  const [ids, logits, exponentials, probabilities] = [output.ids, output.logits, output.exponentials, output.probabilities].map((tensor) => row(tensor, at));
  const [total, size, rest] = row(output.totals, at);
  /** @type {string[]} */
  const names = JSON.parse(new TextDecoder().decode(output.names.data))[at];
  return { ids, logits, exponentials, probabilities, total, size, rest, names };
}

/** @param {import("./store.js").Bundle} output @param {import("./store.js").Selection} at */
export function outputFacts(output, at) {
  if (!output.ids) return {};
  const { ids, logits, exponentials, probabilities, total, size, rest, names } = outputOf(output, at.query);
  const choice = Math.min(at.choice, names.length - 1);
  return {
    choice_id: ids[choice], choice_token: names[choice], choice_logit: logits[choice], choice_shifted: logits[choice] - logits[0],
    choice_exponential: exponentials[choice], choice_probability: probabilities[choice],
    best_token: names[0], best_logit: logits[0], best_probability: probabilities[0],
    output_sum: total, outputs: size, others: size - names.length, others_probability: rest,
  };
}

/** Whether sentence B follows sentence A. @param {import("./store.js").Bundle} output */
export function followFacts(output) {
  if (!output.next_sentence) return {};
  const [first, second] = output.next_sentence.data;
  const most = Math.max(first, second);
  const [a, b] = [Math.exp(first - most), Math.exp(second - most)];
  return {
    follows_logit: first, random_logit: second, pair_logit: most, follows_exponential: a, random_exponential: b, pair_sum: a + b,
    follows_probability: a / (a + b), random_probability: b / (a + b),
  };
}
