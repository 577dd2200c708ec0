// @ts-check
/** What the row in view ends in: its most probable outputs as bars with their logits, the rest summed. */

import { h } from "./dom.js";
import { followFacts, outputOf, truthOf } from "./likely.js";
import { isMask } from "./readings.js";
import { formatted } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

/** The text that tells the stage → the question of the row, an id of `texts.ui`. @type {Record<string, string>} */
const QUESTIONS = { output: "output_next", output_next: "output_next", output_target: "output_next", output_label: "output_label", output_class: "output_class" };

/** @param {Store} store @param {Words} words */
export function outputPanel(store, words) {
  const { output } = store.state.arrays;
  if (!output) return h("div", {});
  if (store.state.selection.stage === "choice") return choicePanel(store, words, output);
  return store.state.selection.stage === "next_sentence" ? sentencePanel(store, words, output) : rowPanel(store, words, output);
}

/** @param {Store} store @param {Words} words @param {import("./store.js").Bundle} output */
function rowPanel(store, words, output) {
  const { query, choice } = store.state.selection;
  const token = store.tokens(store.block.queryStream)[query];
  const told = store.told("output");
  const question = QUESTIONS[told] ?? (isMask(token) ? "output_masked" : "output_visible");
  const { names, probabilities, logits, size, rest } = outputOf(output, query);
  const bars = names.map((name, i) => bar({
    name, probability: probabilities[i], logit: logits[i], chosen: i === Math.min(choice, names.length - 1), choose: () => store.select({ choice: i }),
  }));
  const others = size - names.length;
  if (others > 0) bars.push(bar({ name: words.ui("output_rest", { count: others }), probability: rest, quiet: true }));
  return h("div", { class: "outputs" },
    h("h3", { class: "question" }, words.ui(question, { token: token?.text, place: query })), hiddenRows(store, words, told),
    table(words, bars), h("p", { class: "hint" }, words.ui("output_total", { count: size })));
}

/** What every row picks, and beside it what really came. @param {Store} store @param {Words} words @param {import("./store.js").Bundle} output */
function choicePanel(store, words, output) {
  const { selection, run } = store.state;
  const tokens = store.tokens(store.block.queryStream);
  const first = output.first.data[0];
  const rows = Array.from({ length: output.ids.shape[0] }, (_, i) => first + i);
  const judged = output.loss.data[1] > 0;
  const head = [...(run.predicting ? ["position", "reads"] : []), "picks", "probability", ...(judged ? ["really", "probability", "rank", "surprise"] : [])].map((id) => h("th", { scope: "col" }, words.ui(`column_${id}`)));
  return h("div", { class: "outputs choosing" }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows.map((query) => {
    const { names, probabilities } = outputOf(output, query);
    const truth = truthOf(output, query);
    const said = [
      ...(run.predicting ? [String(query), h("button", { type: "button", class: "token", "aria-pressed": query === selection.query }, tokens[query]?.text)] : []),
      h("span", { class: `token ${truth ? (truth.rank === 1 ? "right" : "wrong") : ""}` }, names[0]), formatted(probabilities[0], ".4f"),
      ...(judged ? truth ? [h("span", { class: "token" }, tokens[query + 1].text), formatted(truth.probability, ".4f"), String(truth.rank), formatted(truth.surprise, ".3f")] : ["—", "", "", ""] : []),
    ];
    return h("tr", { class: `output ${query === selection.query && run.predicting ? "chosen" : ""}`, dataset: { row: query }, on: { click: () => store.select({ query }) } }, ...said.map((each) => h("td", {}, each)));
  }))), judged ? h("p", { class: "hint" }, words.ui("choice_loss", { rows: output.loss.data[1], loss: output.loss.data[0], perplexity: Math.exp(output.loss.data[0]) })) : null);
}

/** Every hidden word of the text, to go to its row. @param {Store} store @param {Words} words @param {string} told */
function hiddenRows(store, words, told) {
  const { run, selection } = store.state;
  const rows = told === "output_masked" ? store.tokens(store.block.queryStream).flatMap((token, i) => (isMask(token) ? [i] : [])) : [];
  if (!rows.length) return null;
  return h("div", { class: "hidden-rows" }, h("span", { class: "hint" }, words.ui("output_hidden_rows")), ...rows.map((query) => h("button", {
    type: "button", class: "chip", "aria-pressed": query === selection.query, on: { click: () => store.select({ query }) },
  }, `${query} → ${run.predictions[query]}`)));
}

/** @param {Store} store @param {Words} words @param {import("./store.js").Bundle} output */
function sentencePanel(store, words, output) {
  const said = followFacts(output);
  const pair = store.tokens(store.block.queryStream).some((token) => token.segment > 0);
  return h("div", { class: "outputs" },
    h("h3", { class: "question" }, words.ui("output_follows_title")), pair ? null : h("p", { class: "note" }, words.ui("output_one_sentence")),
    table(words, [
      bar({ name: words.ui("output_follows"), probability: said.follows_probability, logit: said.follows_logit, chosen: said.follows_logit >= said.random_logit }),
      bar({ name: words.ui("output_random"), probability: said.random_probability, logit: said.random_logit, chosen: said.random_logit > said.follows_logit }),
    ]));
}

/** @param {Words} words @param {HTMLElement[]} bars */
function table(words, bars) {
  const head = ["output", "probability", "logit"].map((id) => h("th", { scope: "col", ...(id === "probability" ? { colspan: 2 } : {}) }, words.ui(`column_${id}`)));
  return h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...bars));
}

/**
 * One output: its name, its probability as a bar and in digits, and its logit.
 * @param {{name: string, probability: number, logit?: number, chosen?: boolean, quiet?: boolean, choose?: () => void}} given
 */
function bar({ name, probability, logit, chosen = false, quiet = false, choose }) {
  const label = choose ? h("button", { type: "button", class: "token", "aria-pressed": chosen }, name) : h("span", { class: quiet ? "hint" : "" }, name);
  const length = h("div", { class: "fill" });
  length.style.width = `${100 * probability}%`;
  return h("tr", { class: `output ${chosen ? "chosen" : ""} ${quiet ? "rest" : ""}`, on: choose ? { click: choose } : {} },
    h("th", { scope: "row" }, label), h("td", { class: "gauge" }, h("div", { class: "trough" }, length)),
    h("td", { class: "probability" }, formatted(probability, ".4f")), h("td", { class: "logit" }, logit === undefined ? "" : formatted(logit, ".3f")));
}
