// @ts-check
/** Which models can be chosen, and how another one is opened: in the background, with progress, and a way to give up. */

import { Refusal } from "./data.js";
import { h } from "./dom.js";
import { Family } from "./family.js";
import { filled } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

const EVERY = 250;

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Models {
  /**
   * @param {Store} store @param {Words} words @param {import("./data.js").Data} data
   * @param {{tried: (action: () => any) => any, run: (request: any) => void, example: (preset: any) => any}} actions
   */
  constructor(store, words, data, actions) {
    this.store = store;
    this.words = words;
    this.data = data;
    this.actions = actions;
    this.family = new Family(store);
    /** @type {{text: string, image: string | null}} */
    this.kept = { text: "", image: null };
    this.asker = Math.random().toString(36).slice(2); // so that giving up here stops nobody else who waits
  }

  /** Whether a run may be asked for; of a model in the box always. @param {{model: string, dtype: string | null}} request */
  isOpen({ model, dtype }) {
    return this.family.has(model) || this.store.state.models.some((/** @type {any} */ card) => card.name === model && (!dtype || card.dtype === dtype));
  }

  /**
   * Open a model and wait until it is ready; the page stays usable.
   * @param {string} name @param {string | null} [dtype]
   * @throws {Refusal} it cannot be opened, or somebody gave up
   */
  async open(name, dtype = null) {
    let now = await this.data.opening("open", { model: name, dtype, asker: this.asker });
    for (;;) {
      this.store.set({ opening: now });
      if (["ready", "failed", "cancelled"].includes(now.state)) break;
      await pause(EVERY);
      now = await this.data.opening(`opening/${now.id}`).catch((error) => { this.store.set({ opening: null }); throw error; });
    }
    if (this.store.state.opening?.id === now.id) this.store.set({ opening: null });
    if (now.state !== "ready") throw new Refusal(now.error?.error ?? "opening_cancelled", now.error?.facts ?? { got: name });
    const others = this.store.state.models.filter((/** @type {any} */ card) => card.name !== name);
    this.store.set({ models: [...others, now.card] });
  }

  /**
   * Do what needs a model; where the server has let it go, for want of room or by a restart, it is opened again.
   * @template T
   * @param {{model: string, dtype: string | null}} request @param {() => Promise<T>} action @returns {Promise<T>}
   */
  async again({ model, dtype }, action) {
    return action().catch(async (error) => {
      if (error.id !== "model_not_open") throw error;
      await this.open(model, dtype);
      return action();
    });
  }

  /**
   * Open a model and let it read what stands in the sentence, or the image in view: whichever of them it reads. The other
   * one is kept for the next model that does. A model in the box begins with an example of its own.
   * @param {string} name @param {string | null} dtype
   */
  async choose(name, dtype) {
    const before = this.store.state.request;
    this.kept = { text: before.text || this.kept.text, image: before.image ?? this.kept.image };
    const { preset, request: along } = this.family.has(name) ? this.family.beginning(name) : {};
    if (preset) return this.actions.example(preset);
    if (along) return this.actions.run(along);
    const known = this.store.state.models.some((/** @type {any} */ card) => card.name === name);
    if (!known || !this.isOpen({ model: name, dtype })) await this.open(name, dtype);
    const { request, models, config } = this.store.state;
    if (request !== before) return; // something else was chosen meanwhile; the model stands in the list
    const card = models.find((/** @type {any} */ each) => each.name === name);
    const text = card.reads.includes("text") ? this.kept.text || config.texts.presets[0].text : "";
    const image = card.reads.includes("image") ? this.kept.image ?? config.images[0]?.id ?? null : null;
    const language = card.pairs.length ? request.language : null;
    return this.actions.run({ ...request, model: name, dtype, text, image, target: null, language, reading: card.positions === "recurrent" ? request.reading : null });
  }

  cancel() {
    const { opening } = this.store.state;
    return opening && this.data.opening(`opening/${opening.id}/cancel`, { asker: this.asker });
  }

  /** The number format to ask for again. @param {any} card */
  dtype(card) {
    return card.dtype === "float32" ? null : card.dtype;
  }

  /** How far an opening is, with a way to give up; nothing where none is under way. */
  progress() {
    const { opening } = this.store.state;
    if (!opening) return null;
    const cancel = () => this.actions.tried(() => this.cancel());
    return h("div", { class: "opening", role: "status", dataset: { state: opening.state } },
      h("progress", opening.total ? { max: opening.total, value: opening.done } : {}),
      h("span", {}, this.state(opening)),
      h("button", { type: "button", class: "close", "aria-label": this.words.ui("opening_cancel"), title: this.words.ui("opening_cancel"), dataset: { id: "cancel" }, on: { click: cancel } }, "×"));
  }

  /** @param {any} opening */
  state(opening) {
    const facts = { name: opening.name, percent: opening.total ? (100 * opening.done) / opening.total : 0, done: opening.done / 1e6, total: opening.total / 1e6 };
    return this.words.ui(`opening_${opening.state}`, facts);
  }

  /** The dialog: a name to type, a number format, and suggestions by family. */
  async content() {
    const { words } = this;
    const known = await this.data.models();
    const field = /** @type {HTMLInputElement} */ (h("input", { type: "text", spellcheck: "false", placeholder: words.ui(known.folders ? "open_placeholder" : "open_placeholder_hub"), "aria-label": words.ui("open_name"), dataset: { id: "open-name" } }));
    const dtype = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": words.ui("open_dtype"), dataset: { id: "dtype" } }, ...["float32", "bfloat16", "float16"].map((id) => h("option", { value: id }, id))));
    const start = (/** @type {string} */ name) => this.start(name, dtype.value === "float32" ? null : dtype.value);
    const form = h("form", { class: "open", on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); if (field.value.trim()) start(field.value.trim()); } } },
      field, dtype, h("button", { type: "submit", class: "run" }, words.ui("open")));
    const state = h("p", { class: known.network ? "hint" : "notice" }, words.ui(known.network ? "open_network" : "open_no_network", { endpoint: known.endpoint, limit: known.limit }));
    const families = [...new Set(known.suggested.map((/** @type {any} */ each) => each.family))];
    return [h("p", {}, words.ui(known.folders ? "open_hint" : "open_hint_hub")), form, state, ...families.map((family) => this.suggestions(/** @type {string} */ (family), known, start))];
  }

  /** @param {string} family @param {any} known @param {(name: string) => void} start */
  suggestions(family, known, start) {
    const buttons = known.suggested.filter((/** @type {any} */ each) => each.family === family).map((/** @type {any} */ each) => h("button", {
      type: "button", class: "chip", disabled: !known.network && !each.local, title: !known.network && !each.local ? this.words.ui("open_unreachable") : each.id,
      dataset: { suggested: each.id }, on: { click: () => start(each.id) },
    }, each.id, h("small", {}, ` ${filled("[[size:.1f]] GB", { size: each.download_bytes / 1e9 })}`)));
    return h("section", {}, h("h3", {}, this.words.ui(`family_${family}`)), h("div", { class: "suggested" }, ...buttons));
  }

  /** Close the dialog and choose a model, or one of its examples. @param {string} name @param {string | null} dtype @param {any} [example] */
  start(name, dtype, example) {
    /** @type {HTMLDialogElement | null} */ (document.querySelector(".microscope .dialog"))?.close();
    return this.actions.tried(() => (example ? this.actions.example(example) : this.choose(name, dtype)));
  }
}
