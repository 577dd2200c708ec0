// @ts-check
/** The top of the page: title, model, language, theme, text size, link; ready examples; messages. */

import { shared } from "./address.js";
import { h, segmented } from "./dom.js";
import { filled } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

export const SIZES = [1, 1.25, 1.5];

export class TopBar {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {{run: (request: any) => void, dialog: (id: string) => void, models: import("./models.js").Models, chooser: import("./chooser.js").Chooser}} actions */
  constructor(element, store, words, actions) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.actions = actions;
    store.on(["lang", "theme", "textSize", "run", "request", "models", "opening", "notices"], () => this.draw());
  }

  draw() {
    const { store, words } = this;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.id;
    const inside = this.element.contains(document.activeElement);
    const { lang, theme, textSize } = store.state;
    this.element.replaceChildren(
      h("h1", {}, words.ui("title"), h("small", {}, words.ui("subtitle"))),
      h("div", { class: "model" }, this.actions.models.progress(), this.actions.chooser.button(), this.tool("card", "ⓘ", words.ui("card"), () => this.actions.dialog("card"))),
      h("div", { class: "tools" },
        segmented({ label: words.ui("language"), value: lang, options: [{ id: "zh", text: "中文" }, { id: "en", text: "EN" }], onChange: (id) => store.set({ lang: id }) }),
        this.tool("theme", theme === "dark" ? "☀" : "◐", words.ui(theme === "dark" ? "theme_light" : "theme_dark"), () => store.set({ theme: theme === "dark" ? "light" : "dark" })),
        this.tool("size", `A${"+".repeat(SIZES.indexOf(textSize))}`, words.ui("text_size", { percent: textSize * 100 }), () => store.set({ textSize: SIZES[(SIZES.indexOf(textSize) + 1) % SIZES.length] })),
        this.tool("link", words.ui("copy_link"), words.ui("copy_link_title"), (event) => this.copy(/** @type {HTMLElement} */ (event.currentTarget))),
        this.tool("help", "?", words.ui("help"), () => this.actions.dialog("help"))));
    if (inside) /** @type {HTMLElement | null} */ (this.element.querySelector(`[data-id="${focused}"]`))?.focus();
  }

  /** @param {string} id @param {string} text @param {string} title @param {(event: MouseEvent) => void} click */
  tool(id, text, title, click) {
    return h("button", { type: "button", class: "tool", title, "aria-label": title, dataset: { id }, on: { click } }, text);
  }

  /** @param {HTMLElement} button */
  async copy(button) {
    const address = shared(this.store);
    const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
    if (!copied) return this.actions.dialog("link");
    button.textContent = this.words.ui("copied");
    setTimeout(() => this.draw(), 1500);
  }
}

/** Ready examples of the model in view, each with a line that says why it is interesting; and the same elsewhere. */
export class Presets {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {import("./family.js").Family} family @param {(preset: any) => void} choose */
  constructor(element, store, words, family, choose) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.family = family;
    this.choose = choose;
    store.on(["lang", "preset", "config", "request"], () => this.draw());
    this.draw();
  }

  draw() {
    const { store, words } = this;
    const { lang, preset, request } = store.state;
    const presets = this.family.examples(request.model);
    const focused = this.element.contains(document.activeElement);
    const chip = (/** @type {any} */ each, /** @type {string} */ text) => h("button", {
      type: "button", class: "chip", "aria-pressed": each.id === preset, title: each[lang].why, dataset: { preset: each.id }, on: { click: () => this.choose(each) },
    }, text);
    const chosen = presets.find((each) => each.id === preset);
    const elsewhere = chosen ? this.family.elsewhere(chosen) : [];
    const others = elsewhere.length ? h("div", { class: "elsewhere" }, h("span", { class: "strip-name" }, words.ui("presets_elsewhere")), ...elsewhere.map((each) => chip(each, this.family.title(each.model)))) : null;
    const scroll = this.element.querySelector(".chips")?.scrollLeft ?? 0;
    this.element.replaceChildren(
      h("div", { class: "chips", role: "group", "aria-label": words.ui("presets"), hidden: !presets.length }, h("span", { class: "strip-name" }, words.ui("presets")), ...presets.map((each) => chip(each, each[lang].title))),
      h("div", { class: "reason" }, h("p", { class: "why" }, chosen ? chosen[lang].why : words.ui(request.image ? "own_image" : "own_sentence")), others));
    const row = /** @type {HTMLElement} */ (this.element.querySelector(".chips"));
    row.scrollLeft = scroll;
    if (focused) /** @type {HTMLElement | null} */ (this.element.querySelector("[aria-pressed=true]"))?.focus();
  }
}

/** Messages: what went wrong or deserves a word; what is on the page stays. */
export class Notices {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {(id: string) => void} dialog */
  constructor(element, store, words, dialog) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.dialog = dialog;
    store.on(["notices", "lang"], () => this.draw());
  }

  draw() {
    const { notices } = this.store.state;
    this.element.replaceChildren(...notices.map((/** @type {any} */ notice) => this.notice(notice)));
  }

  /** @param {{id: string, facts: any, kind: string}} notice */
  notice({ id, facts, kind }) {
    const text = this.words.of("errors", id);
    const { request, config } = this.store.state;
    const vocabulary = config.builtin.includes(request.model) && ["unknown_words", "only_unknown", "target_only_unknown"].includes(id);
    return h("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : "status", dataset: { notice: id } },
      h("p", {}, h("strong", {}, filled(text.title ?? id, facts)), " ", filled(text.body ?? "", facts)),
      vocabulary ? h("button", { type: "button", class: "quiet", on: { click: () => this.dialog("vocabulary") } }, this.words.ui("vocabulary")) : null,
      h("button", { type: "button", class: "close", "aria-label": this.words.ui("close"), on: { click: () => this.close(id) } }, "×"));
  }

  /** @param {string} id */
  close(id) {
    this.store.set({ notices: this.store.state.notices.filter((/** @type {any} */ notice) => notice.id !== id) });
  }
}
