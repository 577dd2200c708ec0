// @ts-check
/** What the model reads: a sentence, its translation, an image; and Run. Only what the chosen model takes is shown. */

import { h } from "./dom.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

export class Sentence {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {{run: (request: any) => void, upload: (file: File) => void}} actions */
  constructor(element, store, words, actions) {
    this.store = store;
    this.words = words;
    this.actions = actions;
    const entered = (/** @type {KeyboardEvent} */ event) => this.enter(event);
    this.text = /** @type {HTMLTextAreaElement} */ (h("textarea", { rows: 1, spellcheck: "false", dir: "auto", dataset: { id: "text" }, on: { keydown: entered } }));
    this.target = /** @type {HTMLInputElement} */ (h("input", { type: "text", spellcheck: "false", dir: "auto", dataset: { id: "target" }, on: { keydown: entered } }));
    this.to = /** @type {HTMLSelectElement} */ (h("select", { dataset: { id: "to" } }));
    this.backwards = h("button", { type: "button", class: "chip order", dataset: { id: "reading" }, on: { click: () => this.turn() } });
    this.go = /** @type {HTMLButtonElement} */ (h("button", { type: "submit", class: "run" }));
    this.file = /** @type {HTMLInputElement} */ (h("input", { type: "file", accept: "image/*", hidden: true, dataset: { id: "image" }, on: { change: () => this.given(this.file.files) } }));
    this.images = h("div", { class: "images" });
    this.form = h("form", { on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); this.submit(); } } }, this.text, this.to, this.target, this.backwards, this.go);
    element.append(this.form, this.images, this.file);
    element.addEventListener("dragover", (event) => this.reads.includes("image") && event.preventDefault());
    element.addEventListener("drop", (event) => this.dropped(event));
    this.text.addEventListener("input", () => (this.to.value = ""));
    store.on(["lang", "busy"], () => this.name());
    store.on(["request", "models", "run"], () => this.fill());
    this.name();
    this.fill();
  }

  /** The card of the model that Run would ask. */
  get card() {
    const { models, request, config } = this.store.state;
    return models.find((/** @type {any} */ card) => card.name === request.model) ?? config.models[0];
  }

  /** @returns {string[]} */
  get reads() {
    return this.card.reads;
  }

  /** Whether the words are read one after the other, and so in one order or the other. */
  get recurrent() {
    return this.card.positions === "recurrent";
  }

  /** Enter runs; Shift+Enter makes a new line; an input method's own Enter is left alone. @param {KeyboardEvent} event */
  enter(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit();
  }

  submit() {
    const { request } = this.store.state;
    const image = this.reads.includes("image") ? request.image : null;
    this.actions.run({ ...request, text: this.text.value, target: this.target.value.trim() || null, language: this.to.value || null, image, reading: this.recurrent ? request.reading : null });
  }

  /** Read the same sentence in the other order. */
  turn() {
    const { request } = this.store.state;
    this.actions.run({ ...request, text: this.text.value, target: null, language: this.to.value || null, reading: request.reading ? null : "reversed" });
  }

  /** @param {FileList | null} files */
  given(files) {
    if (files?.[0]) this.actions.upload(files[0]);
    this.file.value = "";
  }

  /** @param {DragEvent} event */
  dropped(event) {
    if (!this.reads.includes("image")) return;
    event.preventDefault();
    this.given(event.dataTransfer?.files ?? null);
  }

  name() {
    const { words, store } = this;
    const writes = this.card.pairs.length ? "" : "_any";
    for (const [field, id] of /** @type {[HTMLElement, string][]} */ ([[this.text, "text"], [this.target, "target"], [this.to, "to"]])) {
      field.setAttribute("aria-label", words.ui(id));
      field.title = words.ui(id === "to" ? "to_title" : `${id}_title${writes}`);
    }
    const own = store.state.config.texts.presets.find((/** @type {any} */ preset) => preset.model === this.card.name && preset.text);
    this.text.placeholder = writes && own ? words.ui("text_placeholder_own", { text: own.text }) : words.ui(`text_placeholder${writes}`);
    this.target.placeholder = words.ui(`target_placeholder${writes}`);
    const chosen = this.to.options.length ? this.to.value : store.state.request.language ?? "";
    this.to.replaceChildren(...["", "fr", "zh", "en"].map((language) => h("option", { value: language }, words.ui(`to_${language || "auto"}`))));
    this.to.value = chosen;
    this.backwards.textContent = words.ui("reading_reversed");
    this.backwards.title = words.ui("reading_reversed_title");
    this.go.textContent = words.ui(store.state.busy ? "running" : "run");
    this.go.setAttribute("aria-busy", String(store.state.busy));
    this.choices();
  }

  /** The shipped images, and one's own. */
  choices() {
    const { store, words } = this;
    const { images } = store.state.config;
    const { image } = store.state.request;
    this.images.hidden = !this.reads.includes("image");
    this.images.replaceChildren(
      h("span", { class: "strip-name" }, words.ui("image")),
      ...images.map((/** @type {any} */ each) => h("button", {
        type: "button", class: "chip image", "aria-pressed": each.id === image, title: each[words.lang], dataset: { image: each.id }, on: { click: () => this.look(each.id) },
      }, h("img", { src: each.url, alt: "", width: 26, height: 26 }), each[words.lang])),
      h("button", { type: "button", class: "chip", "aria-pressed": Boolean(image) && !images.some((/** @type {any} */ each) => each.id === image), dataset: { id: "upload" }, on: { click: () => this.file.click() } }, words.ui("image_upload")));
  }

  /** @param {string} image */
  look(image) {
    this.actions.run({ ...this.store.state.request, text: this.reads.includes("text") ? this.text.value : "", image });
  }

  fill() {
    const { text, target, language, reading } = this.store.state.request;
    this.text.value = text;
    this.target.value = target ?? "";
    this.to.value = language ?? "";
    this.backwards.hidden = !this.recurrent;
    this.backwards.setAttribute("aria-pressed", String(reading === "reversed"));
    const translates = this.card.pairs.length > 0;
    this.to.hidden = !translates;
    this.text.hidden = !this.reads.includes("text");
    this.target.hidden = this.card.kind !== "encoder-decoder";
    this.form.hidden = !this.reads.includes("text"); // an image is looked at as soon as it is chosen
    this.form.dataset.shape = this.recurrent ? "recurrent" : translates ? "translator" : this.target.hidden ? "one" : "two";
    this.name();
  }
}
