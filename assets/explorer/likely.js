// @ts-check
/** What a row's outputs say, as facts. `viz/outputs.py` computes the same and is the reference. */

/** The names of the best outputs of a row, the most probable first. @param {import("./store.js").Bundle} output @returns {string[]} */
export const namesOf = (output) => JSON.parse(new TextDecoder().decode(output.names.data));

/** @param {import("./store.js").Bundle} output @param {import("./store.js").Selection} at */
export function outputFacts(output, at) {
  if (!output.ids) return {};
  const [total, size, rest] = output.totals.data;
  const names = namesOf(output);
  const choice = Math.min(at.choice, names.length - 1);
  const [logits, exponentials, probabilities] = [output.logits, output.exponentials, output.probabilities].map(({ data }) => data);
  return {
    choice_id: output.ids.data[choice], choice_token: names[choice], choice_logit: logits[choice], choice_shifted: logits[choice] - logits[0],
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
