// @ts-check
/** The explanation of the stage in view: a sentence about this result, three depths, the digits, the proof. */

import { Derivation } from "./derivation.js";
import { h, segmented } from "./dom.js";
import { facts as factsOf } from "./facts.js";
import { cellReading, reading } from "./readings.js";
import { filled, formatted, formula, prose } from "./words.js";

/** @typedef {import("./words.js").Living} Living */

/** Stages in which no query meets a key: there is no attention to read. */
const WITHOUT = ["tokens", "embedding", "position", "encoding", "likeness", "step", "qkv", "rotation", "turning", "reach", "shuffle", "shared", "mask_parts", "router", "gates", "state", "bottleneck", "logits", "output", "choice", "next_sentence", "norm", "add_norm", "mlp", "written", "residual", "residual_mlp"];

/** Results of code that are whole numbers; any other has four digits, even where it happens to be 0 or 1. */
const COUNTS = ["token_id", "n_query", "kv_head", "may"];

export class Explanation {
  /**
   * @param {HTMLElement} element @param {import("./store.js").Store} store @param {import("./words.js").Words} words
   * @param {(id: string) => void} openDialog
   */
  constructor(element, store, words, openDialog) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.openDialog = openDialog;
    this.derivation = new Derivation(store, words);
    this.live = h("div", { class: "visually-hidden", "aria-live": "polite" });
    this.body = h("div", {});
    element.append(this.body, this.live);
    /** @type {Living[]} */
    this.living = [];
    /** @type {Map<string, Living>} */
    this.sayings = new Map();
    store.on(["arrays", "lang", "run", "textSize", "colors"], () => this.build());
    store.on(["selection"], () => (this.shape() === this.built ? this.update() : this.build()));
    store.on(["hover", "pinned"], () => this.update());
  }

  /** What decides the texts; the rest only changes their numbers. */
  shape() {
    const { run, lang, selection } = this.store.state;
    return [run?.key, lang, selection.stage, selection.depth, selection.block, selection.head].join(" ");
  }

  build() {
    const { state } = this.store;
    if (!state.run || !state.arrays.head) return;
    const text = this.words.of("stages", this.store.told(state.selection.stage));
    this.living = [];
    this.sayings = new Map();
    this.reading = h("div", { class: "reading" });
    this.cell = h("div", { class: "cell-line" });
    this.derivation.show(state.selection.stage);
    const parts = { words: [this.prose(text.words)], maths: [...this.formulas(text), this.prose(text.maths)], code: [this.code(text)] };
    const attends = !WITHOUT.includes(state.selection.stage);
    this.reading.hidden = this.cell.hidden = !attends;
    this.body.replaceChildren(...[this.head(text), this.reading, ...parts[/** @type {"words"} */ (state.selection.depth)],
      this.title(), this.cell, this.derivation.element, this.foot()].filter((node) => node !== null));
    this.built = this.shape();
    this.update();
  }

  /** @param {any} text */
  head(text) {
    const { words, store } = this;
    const options = ["words", "maths", "code"].map((id) => ({ id, text: words.ui(`depth_${id}`) }));
    const depth = segmented({ label: words.ui("depth"), options, value: store.state.selection.depth, onChange: (id) => this.depth(id) });
    return h("header", {}, depth, this.badge(), h("h2", {}, text.title));
  }

  /** @param {string} depth */
  depth(depth) {
    this.store.select({ depth });
    /** @type {HTMLElement | null} */ (this.body.querySelector(`[data-id="${depth}"]`))?.focus();
  }

  /** @param {string} template */
  prose(template) {
    const living = prose(template ?? "");
    this.living.push(living);
    return living.node;
  }

  /** The formula, and under it the same with this run's digits. @param {any} text */
  formulas(text) {
    return ["formula", "digits"].filter((name) => text[name]).map((name) => {
      const living = formula(text[name]);
      this.living.push(living);
      return h("div", { class: `formula ${name}` }, living.node);
    });
  }

  /** A few lines of PyTorch that give the number. @param {any} text */
  code(text) {
    const pre = h("pre", { tabindex: 0 }, h("code", {}));
    const result = h("p", { class: "result" });
    const copy = h("button", { type: "button", class: "quiet", on: { click: () => navigator.clipboard?.writeText(pre.textContent ?? "").then(() => (copy.textContent = this.words.ui("copied"))) } }, this.words.ui("copy"));
    this.living.push({ node: pre, update: (facts) => {
      /** @type {HTMLElement} */ (pre.firstChild).textContent = filled((text.code ?? "").trim(), facts);
      result.textContent = `→ ${formatted(facts[text.code_result], COUNTS.includes(text.code_result) ? "" : ".4f")}`;
    } });
    return h("div", { class: "code" }, copy, pre, result);
  }

  /** The proof: how far the weights and values shown are from what the model computed. */
  badge() {
    const { words, store } = this;
    const [error, proved] = store.state.arrays.head.error.data;
    const good = Boolean(proved);
    return h("button", {
      type: "button", class: `badge ${good ? "good" : "bad"}`, title: words.of("readings", "proof_title").text, on: { click: () => this.openDialog("proof") },
    }, words.ui(good ? "badge_good" : "badge_bad", { error }));
  }

  /** The heading of the derivation, and whether the cell is pinned. */
  title() {
    this.pin = h("span", { class: "pinned" }, this.words.ui("pinned"));
    return h("h3", {}, this.words.ui("derivation"), this.pin);
  }

  /** What training did to this head. */
  foot() {
    const { words, store } = this;
    const guided = store.block.guided[store.state.selection.head];
    const { guided: any, pairs } = store.state.run.model;
    const note = guided ? `guided_${guided}` : any.length || !pairs.length ? "" : "plain_note";
    const { route } = store.block;
    if (store.state.run.model.positions === "recurrent") return this.notes([guided ? "guided_alone" : "", `absent_${store.state.run.model.heads ? "attention" : "plain"}`]);
    return this.notes([note, route === "builtin" ? "" : `route_${route}`]);
  }

  /** @param {string[]} ids of readings; empty ones say nothing */
  notes(ids) {
    const said = ids.filter(Boolean).map((id) => h("p", { class: "note", dataset: { note: id } }, this.words.of("readings", id).text));
    return said.length ? h("div", {}, ...said) : null;
  }

  /** A reading with its facts; its nodes are made once and kept. @param {HTMLElement} element @param {string} id @param {any} facts */
  say(element, id, facts) {
    const name = `${id} ${this.words.lang}`;
    const said = this.sayings.get(name) ?? prose(this.words.of("readings", id).text ?? id);
    this.sayings.set(name, said);
    if (element.firstChild !== said.node) element.replaceChildren(said.node);
    said.update(facts);
  }

  /** Set the numbers of the active cell. */
  update() {
    const { state } = this.store;
    if (!state.run || !state.arrays.head || !this.reading || !this.cell) return;
    const facts = factsOf(this.store);
    for (const living of this.living) living.update(facts);
    const { weights } = state.arrays.head;
    if (weights) this.say(this.reading, reading(this.store, facts), facts);
    if (weights) this.say(this.cell, cellReading(this.store, facts), facts);
    this.derivation.update(facts);
    if (this.pin) this.pin.hidden = !state.pinned;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.live.textContent = this.words.ui(!weights ? "spoken_state" : facts.may ? "spoken" : "spoken_masked", facts)), 350);
  }
}
