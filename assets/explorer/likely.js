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

/** What the logits of a row's words are made of, as matrices; nothing where that was not fetched. @param {import("./store.js").Bundle | undefined} logits @param {number} query @returns {import("./store.js").Bundle} */
export function ofRow(logits, query) {
  if (!logits?.unembedding) return {};
  const at = Math.max(0, Math.min(query - logits.first.data[0], logits.unembedding.shape[0] - 1));
  return Object.fromEntries(["unembedding", "logits", "unembedding_bias", "word_ids"].filter((name) => name in logits).map((name) => {
    const [, ...shape] = logits[name].shape;
    const size = shape.reduce((product, length) => product * length, 1);
    return [name, { ...logits[name], shape, data: logits[name].data.subarray(at * size, (at + 1) * size) }];
  }));
}

/** The words that are shown of a row. @param {import("./store.js").Bundle | undefined} logits @param {number} query @returns {string[]} */
export function wordsOf(logits, query) {
  if (!logits?.names) return [];
  /** @type {string[][]} */
  const names = JSON.parse(new TextDecoder().decode(logits.names.data));
  return names[Math.max(0, Math.min(query - logits.first.data[0], names.length - 1))];
}

/** How a logit came to be: of a word that is probable in row `from`, in the row that is looked at. @param {any} arrays @param {number} from @param {import("./store.js").Selection} at @param {any} run */
export function logitFacts({ logits, vectors }, from, at, run) {
  const names = wordsOf(logits, from);
  const shown = ofRow(logits, from);
  const [place, query] = [Math.min(at.choice, names.length - 1), run.predicting ? at.query : 0];
  const [vector, word] = [row(vectors.output_vector, query), row(shown.unembedding, place)];
  const [scale, cap, outputs] = logits.doing.data;
  const bias = shown.unembedding_bias?.data[place] ?? 0;
  const length = (/** @type {Float32Array} */ of) => Math.sqrt(of.reduce((total, value) => total + value * value, 0));
  const terms = Array.from(vector, (value, i) => value * word[i]);
  const product = terms.reduce((total, term) => total + term, 0);
  const most = terms.reduce((best, term, i) => (Math.abs(term) > Math.abs(terms[best]) ? i : best), 0);
  return {
    output_row: query, word_id: shown.word_ids.data[place], word_token: names[place], output_width: vector.length, outputs,
    logit_product: product, logit_bias: bias, logit_scale: scale, logit_cap: cap, logit_made: (product + bias) * scale,
    logit_value: row(shown.logits, query)[place], vector_length: length(vector), word_length: length(word),
    logit_cosine: product / (length(vector) * length(word) || 1), largest_term: terms[most], largest_place: most,
  };
}

/** What is known of the token that really comes after a row; null where nothing does. @param {import("./store.js").Bundle} output @param {number} query */
export function truthOf(output, query) {
  const at = Math.max(0, Math.min(query - output.first.data[0], output.truth.shape[0] - 1));
  const [id, logit, probability, rank, surprise] = row(output.truth, at);
  return id < 0 ? null : { id, logit, probability, rank, surprise };
}

/** What a row picks, and how well it knew what came next. @param {import("./store.js").Bundle} output @param {import("./store.js").Selection} at @param {any} run */
export function choiceFacts(output, at, run) {
  if (!output.truth) return {};
  const { names, probabilities } = outputOf(output, at.query);
  const truth = truthOf(output, at.query) ?? { logit: -1, probability: -1, rank: -1, surprise: -1 };
  const [loss, judged] = output.loss.data;
  return {
    output_row: run.predicting ? at.query : 0, picked_token: names[0], picked_probability: probabilities[0], runner_up_token: names[1], runner_up_probability: probabilities[1],
    truth_token: truth.rank > 0 ? run.tokens[run.predicting][at.query + 1].text : "", truth_probability: truth.probability, truth_logit: truth.logit,
    truth_rank: truth.rank, truth_surprise: truth.surprise, loss, perplexity: Math.exp(loss), rows_judged: judged,
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
