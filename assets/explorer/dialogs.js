// @ts-check
/** Dialogs: the proof, the model card, the vocabulary, the link, and help. */

import { shared } from "./address.js";
import { h } from "./dom.js";
import { facts } from "./facts.js";
import { filled, formatted, prose } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

export class Dialogs {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {import("./data.js").Data} data */
  constructor(element, store, words, data) {
    this.store = store;
    this.words = words;
    this.data = data;
    this.dialog = /** @type {HTMLDialogElement} */ (h("dialog", { class: "dialog" }));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
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
    this.dialog.replaceChildren(h("header", {}, title, close), ...content);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** What the badge compared, and the same for every head. */
  proof() {
    const { words, store } = this;
    const { run, selection } = store.state;
    const error = store.block.errors[selection.head];
    const said = words.of("readings", error <= run.tolerance ? "proof" : "proof_failed").text;
    const rows = run.blocks.map((/** @type {any} */ block) => h("tr", {}, h("th", { scope: "row" }, words.block(block.name)),
      ...block.errors.map((/** @type {number} */ each) => h("td", { class: each <= run.tolerance ? "good" : "bad" }, formatted(each, ".1e")))));
    const heads = Array.from({ length: run.model.heads }, (_, head) => h("th", { scope: "col" }, words.ui("head_n", { head })));
    return [h("p", {}, filled(said, facts(store))), h("table", {}, h("caption", {}, words.ui("proof_all")), h("thead", {}, h("tr", {}, h("td", {}), ...heads)), h("tbody", {}, ...rows))];
  }

  /** What the model is, counted from the loaded model. */
  card() {
    const { words, store } = this;
    const card = store.state.run?.model ?? store.state.config.models[0];
    const sizes = ["architecture", "kind", "parameters", "layers", "heads", "d_model", "d_head", "d_hidden", "vocabulary", "context_length", "positions", "dtype", "revision"];
    const rows = sizes.map((name) => h("tr", {}, h("th", { scope: "row" }, words.ui(`card_${name}`)), h("td", {}, typeof card[name] === "number" ? card[name].toLocaleString("en") : this.value(name, card[name]))));
    const guided = card.guided.map((/** @type {any} */ head) => h("li", {}, `${words.block(head.block)} · ${words.ui("head_n", { head: head.head })} · ${words.ui(`guided_${head.target}`)}`));
    const note = guided.length ? [h("p", {}, words.ui("card_guided")), h("ul", {}, ...guided)] : [h("p", {}, words.of("readings", "plain_note").text)];
    return [h("p", {}, words.ui(`about_${card.name.replace("/", "_").replaceAll("-", "_")}`)), h("table", { class: "card" }, h("tbody", {}, ...rows)), ...note];
  }

  /** A word of the card in this language, where it has one. @param {string} name @param {string} value */
  value(name, value) {
    return ["kind", "positions"].includes(name) ? this.words.ui(`value_${value.replaceAll("-", "_")}`) : value;
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
    const rows = ["pointer", "click", "arrows", "escape", "pages", "enter"].map((id) => h("tr", {}, h("th", { scope: "row" }, words.ui(`key_${id}`)), h("td", {}, words.ui(`does_${id}`))));
    const text = prose(words.ui("help_text"));
    text.update({});
    return [text.node, h("table", { class: "card" }, h("tbody", {}, ...rows)), h("p", {}, words.ui("about"))];
  }
}
