// @ts-check
/** Dialogs: the proof, the models, the model card, another model, the vocabulary, the link, and help. */

import { shared } from "./address.js";
import { Chooser } from "./chooser.js";
import { h } from "./dom.js";
import { facts } from "./facts.js";
import { filled, formatted, prose } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

export class Dialogs {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {import("./data.js").Data} data @param {import("./models.js").Models} models */
  constructor(element, store, words, data, models) {
    this.store = store;
    this.words = words;
    this.data = data;
    this.models = models;
    this.chooser = new Chooser(store, words, data, models, (id) => models.actions.tried(() => this.open(id)));
    this.dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "dialog" }));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.closed());
    this.element = element;
    this.opener = "";
    element.append(this.dialog);
    this.id = "";
    store.on(["lang"], () => this.dialog.open && this.open(this.id));
  }

  /** @param {string} id */
  async open(id) {
    this.id = id;
    const content = await /** @type {any} */ (this)[id]();
    const close = h("button", { type: "button", class: "close", "aria-label": this.words.ui("close"), on: { click: () => this.dialog.close() } }, "×");
    const title = h("h2", {}, this.words.ui(`dialog_${id}`));
    this.dialog.setAttribute("aria-label", title.textContent ?? "");
    this.dialog.dataset.dialog = id;
    this.dialog.replaceChildren(h("header", {}, title, close), ...content.filter(Boolean));
    this.dialog.scrollTop = 0;
    if (!this.dialog.open) {
      this.opener = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.id ?? "";
      this.dialog.showModal();
    }
    /** @type {HTMLElement | null} */ (this.dialog.querySelector("[aria-current], .actions .run"))?.focus();
  }

  /** Back to what opened the dialog, also where the page has drawn it anew meanwhile. */
  closed() {
    if (this.opener && (document.activeElement ?? document.body) === document.body) /** @type {HTMLElement | null} */ (this.element.querySelector(`[data-id="${this.opener}"]`))?.focus();
  }

  /** What the badge compared, and the same for every head. */
  async proof() {
    const { words, store } = this;
    const { run, arrays } = store.state;
    const proofs = await this.models.again({ model: run.model.name, dtype: run.model.dtype }, () => this.data.bundle(run.key, "proofs"));
    const proof = store.block.heads ? "proof" : "proof_state";
    const said = words.of("readings", arrays.head.error.data[1] ? proof : "proof_failed").text;
    const cells = (/** @type {string} */ block) => Array.from(proofs[`error:${block}`].data, (error, head) => h("td", { class: proofs[`proved:${block}`].data[head] ? "good" : "bad" }, formatted(error, ".1e")));
    const rows = run.blocks.map((/** @type {any} */ block) => h("tr", {}, h("th", { scope: "row" }, words.block(block.name)), ...cells(block.name)));
    const most = Math.max(1, ...run.blocks.map((/** @type {any} */ block) => block.heads));
    const heads = Array.from({ length: most }, (_, head) => h("th", { scope: "col" }, words.ui("head_n", { head })));
    return [h("p", {}, filled(said, facts(store))), h("table", { class: "proofs" }, h("caption", {}, words.ui("proof_all")), h("thead", {}, h("tr", {}, h("td", {}), ...heads)), h("tbody", {}, ...rows))];
  }

  /** Every model that can be chosen. */
  choice() {
    return this.chooser.all();
  }

  /** What to look at with a model. */
  idea() {
    return this.chooser.idea();
  }

  /** Another model: a hub id or a folder. */
  async another() {
    return this.models.content();
  }

  /** What the model is, counted from the loaded model. */
  async card() {
    const { words, store } = this;
    const card = store.state.run?.model ?? store.state.config.models[0];
    const sizes = ["architecture", "kind", "parameters", "memory", "layers", "heads", "kv_heads", "d_model", "d_head", "d_hidden", "experts", "vocabulary", "context_length", "positions", "routes", "without", "dtype", "device", "revision"];
    const shown = sizes.filter((name) => (Array.isArray(card[name]) ? card[name].length : card[name]));
    const rows = shown.map((name) => h("tr", {}, h("th", { scope: "row" }, words.ui(`card_${name}`)), h("td", {}, this.value(name, card))));
    const guided = card.guided.map((/** @type {any} */ head) => h("li", {}, `${words.block(head.block)} · ${words.ui("head_n", { head: head.head })} · ${words.ui(`guided_${head.target}`)}`));
    const plain = card.pairs.length && card.positions !== "recurrent" ? [h("p", {}, words.of("readings", "plain_note").text)] : [];
    const note = guided.length ? [h("p", {}, words.ui("card_guided")), h("ul", {}, ...guided)] : plain;
    const table = h("table", { class: "card" }, h("tbody", {}, ...rows));
    if (!card.builtin) return [h("p", {}, card.name), table, ...note];
    const figures = await this.chooser.figures(card.name);
    return [h("p", {}, this.chooser.line(card.name)), this.chooser.link(card.name), table, ...note, figures];
  }

  /** An entry of the card for people. @param {string} name @param {any} card */
  value(name, card) {
    const value = card[name];
    if (name === "memory") return `${formatted(value / 2 ** 20, ".1f")} MiB`;
    if (name === "experts") return this.words.ui("card_experts_of", { experts: value, chosen: card.experts_chosen });
    if (name === "without") return value.join(", ");
    if (typeof value === "number") return value.toLocaleString("en");
    const words = Array.isArray(value) ? value : String(value).split(/,\s*/);
    if (!["kind", "positions", "routes"].includes(name)) return value;
    return words.map((word) => { const id = `value_${word.replaceAll(/[-+ ]/g, "_")}`; return id in this.words.texts.ui ? this.words.ui(id) : word; }).join(" · ");
  }

  /** Every word the model knows; a click puts it into the sentence. */
  async vocabulary() {
    const { words, store } = this;
    const known = await this.data.vocabulary(store.state.request.model);
    const lists = Object.entries(known).map(([language, list]) => h("section", {}, h("h3", {}, `${words.ui(`to_${language}`)} · ${list.length}`),
      h("div", { class: "words" }, ...list.map((/** @type {string} */ word) => h("button", { type: "button", class: "word", on: { click: () => this.insert(word) } }, word)))));
    const search = /** @type {HTMLInputElement} */ (h("input", { type: "search", placeholder: words.ui("search"), "aria-label": words.ui("search"), on: { input: () => this.search(search.value) } }));
    return [h("p", {}, words.ui("vocabulary_hint")), search, h("div", { class: "vocabulary" }, ...lists)];
  }

  /** @param {string} part */
  search(part) {
    for (const word of /** @type {NodeListOf<HTMLElement>} */ (this.dialog.querySelectorAll(".word"))) word.hidden = !word.textContent?.toLowerCase().includes(part.toLowerCase());
  }

  /** @param {string} word */
  insert(word) {
    const field = /** @type {HTMLTextAreaElement | null} */ (document.querySelector(".microscope [data-id=text]"));
    if (!field) return;
    const chinese = /[\u3400-\u9fff]/.test(word);
    field.value = chinese ? field.value + word : `${field.value.trimEnd()} ${word}`.trim();
  }

  /** The address, to copy by hand where the browser forbids it. */
  link() {
    const field = h("input", { type: "text", readonly: true, value: shared(this.store), "aria-label": this.words.ui("copy_link") });
    field.addEventListener("focus", () => /** @type {HTMLInputElement} */ (field).select());
    return [h("p", {}, this.words.ui("link_hint")), field];
  }

  /** What can be done here. */
  help() {
    const { words } = this;
    const rows = ["pointer", "click", "arrows", "escape", "pages", "enter", "play"].map((id) => h("tr", {}, h("th", { scope: "row" }, words.ui(`key_${id}`)), h("td", {}, words.ui(`does_${id}`))));
    const text = prose(words.ui("help_text"));
    text.update({});
    return [text.node, h("table", { class: "card" }, h("tbody", {}, ...rows)), h("p", {}, words.ui("about"))];
  }
}
