// @ts-check
/**
 * How the active number came to be, line by line, with this run's digits. The lines are built once per stage and
 * language; moving the selection only sets their numbers and repaints their bar strips.
 */

import { h, sized } from "./dom.js";
import { cell, largest, products, row, sum, within } from "./facts.js";
import { ofRow } from "./likely.js";

/**
 * A line: which stage it belongs to, its text (an id of `texts.ui`), the terms it sums, if it sums, and the stage
 * without which it is left out.
 * @typedef {{id: string, stage?: string, needs?: string, terms?: (arrays: any, at: any, self: boolean) => Terms}} Line
 * @typedef {{values: number[], role: string, chosen?: number, mask?: boolean[]}} Terms
 */

/** Terms of x · W, column `channel`. @param {string} input @param {string} weight @param {string} part @param {string} role */
const projected = (input, weight, part, role) => (/** @type {any} */ { projection }, /** @type {any} */ at) => {
  if (!projection?.[weight] || !projection[input]) return { values: [], role };
  const tensor = projection[weight];
  const x = row(projection[input], at[part]);
  const channel = within(at.channel, tensor);
  return { values: Array.from(x, (value, i) => value * tensor.data[i * tensor.shape[1] + channel]), role };
};

/** @param {any} arrays @param {any} at @returns {Terms} */
const dot = ({ head }, at) => ({ values: products(row(head.query, at.query), row(head.key, at.key)), role: "score" });

/** @param {any} arrays @param {any} at @returns {Terms} */
const exponentials = ({ head }, at) => {
  const masked = row(head.masked_scores, at.query);
  const most = Math.max(...masked, head.sink_score?.data[at.query] ?? head.sink_score?.data[0] ?? -Infinity);
  return { values: Array.from(masked, (score) => (most > -Infinity ? Math.exp(score - most) : 0)), role: "score", chosen: at.key };
};

/** @param {any} arrays @param {any} at @returns {Terms} */
const weighted = ({ head }, at) => ({
  values: Array.from(row(head.weights, at.query), (weight, k) => weight * cell(head.value, k, within(at.channel, head.value))), role: "value", chosen: at.key,
});

/** Terms of the dot product of a row's last vector and a word's output embedding. @param {any} arrays @param {any} at @returns {Terms} */
const fitting = ({ logits, vectors }, at) => {
  const [rows, words] = [vectors?.output_vector, ofRow(logits, at.from).unembedding];
  return { values: rows && words ? products(row(rows, Math.min(at.query, rows.shape[0] - 1)), row(words, Math.min(at.choice, words.shape[0] - 1))) : [], role: "score" };
};

/** @type {Line[]} */
const ATTENTION = [
  { id: "line_product", stage: "scores", terms: dot },
  { id: "line_scale", stage: "scale", needs: "scale" },
  { id: "line_cap", stage: "softcap", needs: "softcap" },
  { id: "line_bias", stage: "bias", needs: "mask" },
  { id: "line_mask", stage: "mask", needs: "mask" },
  { id: "line_max", stage: "softmax" },
  { id: "line_exp", stage: "softmax" },
  { id: "line_sum", stage: "softmax", terms: exponentials },
  { id: "line_weight", stage: "softmax" },
  { id: "line_sink", stage: "sink", needs: "sink" },
  { id: "line_context", stage: "context", terms: weighted },
];

/** The lines of the stages around attention, by the id of the text that tells the stage. @type {Record<string, Line[]>} */
const LINES = {
  tokens: [{ id: "line_token" }],
  tokens_pieces: [{ id: "line_token" }],
  tokens_patches: [{ id: "line_patch" }],
  embedding: [{ id: "line_table" }, { id: "line_embedding" }],
  embedding_plain: [{ id: "line_row" }],
  tokens_numbered: [{ id: "line_token" }],
  embedding_numbered: [{ id: "line_patch_vector" }],
  embedding_patches: [{ id: "line_patch_vector" }],
  position: [{ id: "line_embedding_short" }, { id: "line_angle" }, { id: "line_position" }, { id: "line_input" }],
  position_learned: [{ id: "line_embedding_short" }, { id: "line_place" }, { id: "line_input" }],
  position_fixed: [{ id: "line_embedding_short" }, { id: "line_place" }, { id: "line_input" }],
  position_norm: [{ id: "line_embedding_short" }, { id: "line_place" }, { id: "line_segment" }, { id: "line_normed" }],
  position_segment: [{ id: "line_embedding_short" }, { id: "line_place" }, { id: "line_sentence" }, { id: "line_normed" }],
  qkv_several: [{ id: "line_made_query" }, { id: "line_made_key" }, { id: "line_made_value" }],
  rotation: [{ id: "line_turn_angle" }, { id: "line_turn" }, { id: "line_turn_products" }],
  rotation_grid: [{ id: "line_turn_grid" }, { id: "line_turn" }, { id: "line_turn_products" }],
  shared: [{ id: "line_shared" }],
  mask_parts: [{ id: "line_parts" }],
  router: [{ id: "line_router" }, { id: "line_router_top" }],
  router_plain: [{ id: "line_router_plain" }, { id: "line_router_top" }],
  embedding_recurrent: [{ id: "line_row" }],
  gates: [{ id: "line_gate_reset" }, { id: "line_gate_update" }, { id: "line_candidate" }],
  state: [{ id: "line_state_new" }, { id: "line_state_kept" }, { id: "line_state" }],
  bottleneck: [{ id: "line_bottleneck" }],
  qkv_states: [{ id: "line_state_query", terms: projected("query_input", "query_weight", "query", "query") }, { id: "line_state_key" }],
  qkv: [
    { id: "line_query", terms: projected("query_input", "query_weight", "query", "query") },
    { id: "line_key", terms: projected("key_input", "key_weight", "key", "key") },
    { id: "line_value", terms: projected("key_input", "value_weight", "key", "value") },
  ],
};
LINES.qkv_shared = LINES.qkv;
LINES.qkv_cross = [...LINES.qkv, { id: "line_memory" }];
LINES.norm_layer = ["line_norm_mean", "line_norm_plain", "line_norm_scaled", "line_batch"].map((id) => ({ id }));
LINES.add_norm = [{ id: "line_added" }, ...LINES.norm_layer];
LINES.norm_rms = ["line_rms", "line_rms_plain", "line_rms_scaled", "line_batch"].map((id) => ({ id }));
LINES.mlp = ["line_up", "line_relu", "line_down", "line_zero"].map((id) => ({ id }));
LINES.mlp_gelu = ["line_up", "line_gelu", "line_down", "line_near_zero"].map((id) => ({ id }));
LINES.mlp_swiglu = ["line_gate", "line_gated", "line_down", "line_near_zero"].map((id) => ({ id }));
LINES.mlp_geglu = ["line_gate_gelu", "line_gated", "line_down", "line_near_zero"].map((id) => ({ id }));
LINES.next_sentence = ["line_follows_logits", "line_follows_exp", "line_follows"].map((id) => ({ id }));
Object.assign(LINES, Object.fromEntries(Object.entries({
  encoding: ["line_pe_angle", "line_pe", "line_pe_wave", "line_pe_norm"], encoding_table: ["line_pe_row", "line_pe_norm"],
  likeness: ["line_likeness", "line_likeness_mean"], likeness_cosine: ["line_cosine", "line_likeness_mean"],
  step: ["line_step_turn", "line_step"], turning: ["line_turning_turn", "line_turning_here", "line_turning_there"],
  shuffle: ["line_shuffle"], shuffle_causal: ["line_shuffle", "line_shuffle_causal"],
  reach: ["line_reach", "line_reach_factor"], reach_alibi: ["line_reach_slope", "line_reach", "line_reach_factor"],
}).map(([told, ids]) => [told, ids.map((id) => ({ id }))])));
LINES.written = ["line_head_written", "line_written_sum", "line_written_lengths"].map((id) => ({ id }));
for (const told of ["residual", "residual_pre", "residual_mlp", "residual_mlp_pre"]) {
  LINES[told] = ["sum", "lengths", "cosine"].map((part) => ({ id: `line_${part}_${told.includes("mlp") ? "mlp" : "attention"}` }));
}
for (const told of ["output", "output_next", "output_target", "output_masked", "output_label", "output_class"]) {
  LINES[told] = ["line_logit", "line_output_exp", "line_output_sum", "line_output"].map((id) => ({ id }));
}

for (const [told, ids] of Object.entries({ logits: [], logits_bias: ["line_logit_bias"], logits_scale: ["line_logit_scale"], logits_cap: ["line_logit_cap"] })) {
  LINES[told] = [{ id: "line_logit_dot", terms: fitting }, ...[...ids, "line_logit_lengths"].map((id) => ({ id }))];
}
LINES.choice = ["line_picked", "line_truth", "line_surprise", "line_loss"].map((id) => ({ id }));
LINES.choice_open = [{ id: "line_picked" }];

export class Derivation {
  /** @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
  constructor(store, words) {
    this.store = store;
    this.words = words;
    this.element = h("ol", { class: "derivation" });
    /** @type {{line: Line, text: HTMLElement, strip: HTMLCanvasElement | null}[]} */
    this.lines = [];
  }

  /** Build the lines of a stage. @param {string} stage */
  build(stage) {
    const own = LINES[this.store.told(stage)];
    const lines = own ?? ATTENTION.filter((line) => !line.needs || line.needs in this.store.block.stages);
    const at = lines.reduce((last, line, i) => (line.stage === stage ? i : last), -1);
    this.lines = lines.map((line, i) => this.line(line, own || line.stage === stage ? "now" : i < at ? "before" : "after"));
  }

  /** @param {Line} line @param {string} when */
  line(line, when) {
    const text = h("div", { class: "line-text" });
    const strip = line.terms ? /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" })) : null;
    this.element.append(h("li", { class: `line ${when}`, dataset: { line: line.id } }, text, strip));
    return { line, text, strip };
  }

  /** Show a stage. @param {string} stage */
  show(stage) {
    this.element.replaceChildren();
    this.build(stage);
  }

  /** Set the numbers. @param {Record<string, any>} facts */
  update(facts) {
    const { arrays } = this.store.state;
    const at = { ...this.store.active, from: this.store.state.selection.query };
    for (const { line, text, strip } of this.lines) {
      const terms = line.terms && arrays.head ? line.terms(arrays, at, true) : null;
      const said = terms ? { ...facts, ...this.told(line, terms, at) } : facts;
      this.write(text, this.words.ui(this.variant(line, facts), said));
      if (strip && terms) this.strip(strip, terms);
    }
  }

  /** A line reads differently for a forbidden cell. @param {Line} line @param {Record<string, any>} facts */
  variant(line, facts) {
    const { stages } = this.store.block;
    const odd = {
      line_mask: !facts.may, line_angle: facts.channel % 2 === 1, line_pe: facts.channel % 2 === 1, line_bias: "bias" in stages, line_sum: "sink" in stages,
      line_turn: facts.channel === facts.second_channel, line_scale: stages.scale !== "scale",
      line_parts: !facts.may, line_truth: !facts.truth_token, line_surprise: !facts.truth_token,
    }[line.id];
    return odd ? `${line.id}_other` : line.id;
  }

  /** What can be said about the terms of a sum. @param {Line} line @param {Terms} terms @param {any} at */
  told(line, terms, at) {
    const first = largest(terms.values);
    const { projection } = this.store.state.arrays;
    const offsets = line.id.match(/^line_(query|key|value)$/) ? projection?.[`${line.id.slice(5)}_bias`] : null;
    const bias = offsets ? offsets.data[Math.min(at.channel, offsets.data.length - 1)] : 0;
    const total = sum(terms.values);
    const { head } = this.store.state.arrays;
    const operands = line.id === "line_product" ? { first_query: cell(head.query, at.query, first), first_key: cell(head.key, at.key, first) } : {};
    return { ...operands, terms: terms.values.length, sum_terms: total, first, first_term: terms.values[first], bias, with_bias: total + bias,
      first_token: this.store.tokens(this.store.block.keyStream)[first]?.text };
  }

  /** Text with «…» parts set in figures. @param {HTMLElement} element @param {string} text */
  write(element, text) {
    const pieces = text.split(/«([^»]*)»/);
    element.replaceChildren(...pieces.map((piece, i) => (i % 2 ? h("b", {}, piece) : document.createTextNode(piece))));
  }

  /** The terms of a sum as bars, positive up. @param {HTMLCanvasElement} canvas @param {Terms} terms */
  strip(canvas, { values, role, chosen }) {
    const width = Math.max(120, this.element.clientWidth - 26);
    const height = 30;
    const pen = sized(canvas, width, height);
    const { palette } = this.store.state.colors;
    const most = Math.max(1e-9, ...values.map(Math.abs));
    const low = values.some((value) => value < 0);
    const zero = low ? height / 2 : height - 1;
    const marked = chosen ?? largest(values);
    const step = Math.min(width / values.length, 22);
    values.forEach((value, i) => {
      const tall = (Math.abs(value) / most) * (low ? height / 2 - 1 : height - 3);
      pen.fillStyle = value < 0 ? palette.negative : palette[role];
      pen.globalAlpha = i === marked ? 1 : 0.5;
      pen.fillRect(i * step + 0.5, value < 0 ? zero : zero - tall, Math.max(1, step - 1.5), Math.max(0.5, tall));
    });
    pen.globalAlpha = 1;
    pen.fillStyle = palette.muted;
    pen.fillRect(0, zero, values.length * step, 1);
  }
}
