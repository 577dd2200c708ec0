// @ts-check
/** The tab that writes: a prompt, one row per step; step, play, go back, choose another word and go on from it. */

import { BeamTree } from "./beams.js";
import { cacheLine, comparison, distribution } from "./choices.js";
import { calm, h, segmented } from "./dom.js";
import { Growing } from "./growing.js";
import { bounded, RANGES, read, SETTINGS } from "./settings.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

/** How long a step is looked at while it plays, and how often a generation is asked how far it is, in milliseconds. */
const PLAY = 1400;
const ASK = 400;

export class Generate {
  /**
   * @param {HTMLElement} element @param {Store} store @param {Words} words @param {import("./data.js").Data} data
   * @param {(action: () => any) => Promise<void>} tried
   */
  constructor(element, store, words, data, tried) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.data = data;
    this.tried = tried;
    /** @type {any} */
    this.settings = read();
    /** What was written, and for which request. @type {any} */
    this.said = null;
    this.of = "";
    this.step = this.settings.at;
    this.id = "";
    this.timer = 0;
    this.visible = false;
    const part = (/** @type {string} */ name) => h("div", { class: name });
    [this.controls, this.player, this.line, this.note, this.table, this.cache, this.compared] = ["writing", "player", "written", "note", "outputs choices", "cache", "cache compared"].map(part);
    this.growing = new Growing(h("section", { class: "growing" }), store, words, data, tried);
    this.tree = new BeamTree(h("section", { class: "beams" }), store, words);
    element.append(this.controls, this.note, this.player, this.line, this.tree.element, h("div", { class: "pair" }, h("section", {}, this.table), this.growing.element), this.cache, this.compared);
    store.on(["lang", "colors", "textSize"], () => this.draw());
    store.on(["selection", "run"], () => this.look());
    element.addEventListener("keydown", (event) => this.pressed(event));
  }

  get isShown() {
    return this.store.state.selection.tab === "generate";
  }

  /** What would be asked for now. */
  request() {
    const { model, dtype, text, language } = this.store.state.request;
    const { at, ...settings } = this.settings;
    return { model, dtype, text, language, ...settings };
  }

  /** What the sentence in view is, and who reads it. */
  get prompt() {
    return JSON.stringify(["model", "dtype", "text", "language"].map((name) => this.store.state.request[name]));
  }

  /** Write for the sentence in view as soon as the tab is looked at. */
  look() {
    const entered = !this.visible;
    this.visible = this.isShown && Boolean(this.store.state.run);
    if (!this.visible) return this.pause();
    if (this.prompt === this.of) return entered ? this.draw() : this.growing.look();
    if (this.id) return this.stop(); // what is being written is for another sentence
    const first = !this.of; // then the address may say more
    this.of = this.prompt;
    this.said = null;
    this.write(first ? this.settings.forced : [], first ? this.step : 0);
  }

  /** @param {number[]} [forced] the words that a person chose @param {number} [step] where to be afterwards */
  async write(forced = [], step = 0) {
    this.pause();
    Object.assign(this.settings, { forced: this.settings.strategy === "beam" ? [] : forced, at: step });
    const asked = (this.id = `${Date.now()}-${Math.random().toString(36).slice(2)}`);
    this.draw();
    const telling = setInterval(() => this.tell(asked), ASK);
    await this.tried(async () => {
      const request = this.request();
      const said = await this.data.generate({ ...request, id: asked });
      if (this.id !== asked) return;
      this.said = said;
      this.answered = { ...request, steps: said.cancelled ? said.steps.length : request.steps };
      this.step = Math.min(step, said.steps.length - 1);
    });
    clearInterval(telling);
    if (this.id !== asked) return;
    this.id = "";
    this.draw();
    if (this.of !== this.prompt) this.look();
  }

  /** Read once what was written step by step, and say how far the two are apart. */
  async compare() {
    const { said } = this;
    const button = /** @type {HTMLButtonElement | null} */ (this.compared.querySelector("button"));
    if (button) button.disabled = true;
    await this.tried(async () => Object.assign(said, await this.data.generate({ ...this.answered, id: "", compare: true })));
    if (this.said === said) this.show();
  }

  /** How far it is. @param {string} asked */
  async tell(asked) {
    const { written } = await this.data.writing(asked).catch(() => ({ written: 0 }));
    if (this.id === asked && written) this.go.textContent = this.words.ui("generate_stop_at", { got: written, steps: this.settings.steps });
  }

  stop() {
    this.data.writing(this.id, true).catch(() => null);
  }

  /** Go on from another word than was chosen in the step in view. @param {number} id */
  other(id) {
    const before = this.said.steps.slice(0, this.step).map((/** @type {any} */ each) => each.id);
    this.write([...before, id], this.step);
  }

  /** @param {number} step */
  goto(step) {
    if (!this.said || step < 0 || step >= this.said.steps.length) return this.pause();
    this.step = step;
    this.show();
  }

  play() {
    if (this.timer) return this.pause();
    if (this.step + 1 >= this.said.steps.length) this.goto(0);
    this.timer = window.setInterval(() => this.goto(this.step + 1), calm() ? 2 * PLAY : PLAY);
    this.show();
  }

  pause() {
    clearInterval(this.timer);
    const played = this.timer;
    this.timer = 0;
    if (played && this.said) this.show();
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (/** @type {HTMLElement} */ (event.target).closest("input, [role=radiogroup]") || !this.said) return;
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.pause();
    this.goto(this.step + by);
  }

  draw() {
    if (!this.isShown) return;
    this.drawControls();
    this.show();
  }

  drawControls() {
    const { words, settings } = this;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.setting;
    const strategies = Object.keys(SETTINGS).map((id) => ({ id, text: words.ui(`generate_${id}`), title: words.ui(`generate_${id}_title`) }));
    const choose = (/** @type {string} */ id) => { this.settings.strategy = id; this.write(); };
    this.go = h("button", { type: "button", class: "go", dataset: { id: "write" }, "aria-busy": Boolean(this.id), on: { click: () => (this.id ? this.stop() : this.write()) } }, words.ui(this.id ? "generate_stop" : "generate_write"));
    this.controls.replaceChildren(
      segmented({ label: words.ui("generate_strategy"), options: strategies, value: settings.strategy, onChange: choose }),
      ...SETTINGS[settings.strategy].map((name) => this.field(name)), this.go);
    if (focused) /** @type {HTMLElement | null} */ (this.controls.querySelector(`[data-setting="${focused}"]`))?.focus();
    this.note.textContent = words.ui(`generate_${settings.strategy}_title`);
  }

  /** @param {string} name */
  field(name) {
    const { words, settings } = this;
    const input = /** @type {HTMLInputElement} */ (h("input", { type: "number", ...RANGES[name], value: settings[name], dataset: { setting: name }, title: words.ui(`generate_${name}_title`) }));
    input.addEventListener("change", () => {
      if (input.value) this.settings[name] = bounded(name, Number(input.value));
      input.value = String(this.settings[name]);
    });
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") { input.blur(); this.write(); } });
    return h("label", { class: "setting", title: words.ui(`generate_${name}_title`) }, words.ui(`generate_${name}`), input);
  }

  /** The step in view. */
  show() {
    const { said, words } = this;
    const parts = [this.player, this.line, this.table, this.cache, this.compared];
    this.tree.element.hidden = !said?.tree;
    this.growing.element.hidden = !said;
    this.element.classList.toggle("busy", Boolean(this.id));
    if (!said) {
      parts.forEach((each) => each.replaceChildren());
      return this.line.replaceChildren(h("span", { class: "hint" }, words.ui(this.id ? "generate_running" : "generate_empty")));
    }
    this.element.dataset.step = String(this.step);
    this.settings = { ...this.settings, at: this.step };
    this.store.set({ writing: this.settings });
    this.drawPlayer();
    this.drawLine();
    this.table.replaceChildren(...distribution(said, this.step, words, said.tree ? null : (/** @type {number} */ id) => this.other(id)));
    this.cache.replaceChildren(...cacheLine(said, this.step, words));
    this.compared.replaceChildren(...comparison(said, words, (block) => words.block(block), () => this.compare()));
    this.growing.show(said, this.step);
    if (said.tree) this.tree.show(said, this.step);
  }

  drawPlayer() {
    const { words, step, said } = this;
    const last = said.steps.length - 1;
    const button = (/** @type {string} */ id, /** @type {string} */ sign, /** @type {boolean} */ off, /** @type {() => void} */ click) => h("button", {
      type: "button", class: "tool", dataset: { id }, title: words.ui(`generate_${id}`), "aria-label": words.ui(`generate_${id}`), disabled: off, on: { click },
    }, sign);
    const moved = (/** @type {number} */ to) => () => { this.pause(); this.goto(to); };
    const focused = /** @type {HTMLElement | null} */ (this.player.querySelector(":focus"))?.dataset.id;
    this.player.replaceChildren(
      button("first", "|◂", step === 0, moved(0)), button("back", "◂", step === 0, moved(step - 1)),
      button(this.timer ? "pause" : "play", this.timer ? "❙❙" : "▶", last === 0, () => this.play()),
      button("next", "▸", step === last, moved(step + 1)), button("last", "▸|", step === last, moved(last)),
      h("strong", {}, words.ui("generate_step", { step: step + 1, steps: last + 1 })),
      h("span", { class: "hint" }, words.ui(step ? "generate_decode" : said.steps[0].computed > 1 ? "generate_prefill" : "generate_prefill_one", this.facts())));
    if (focused) /** @type {HTMLElement | null} */ (this.player.querySelector(`[data-id="${focused}"]`) ?? this.player.querySelector("[data-id=play], [data-id=pause]"))?.focus();
  }

  /** What is computed in the step in view. */
  facts() {
    const { said, step } = this;
    const { position, computed, text } = said.steps[step];
    return { rows: computed, read: said.run.tokens[said.stream][position].text, token: text };
  }

  /** The prompt and what is written by now; what comes later is faint. */
  drawLine() {
    const { said, step } = this;
    const read = said.run.tokens[said.stream].slice(0, said.first + 1);
    const source = said.stream === "decoder" && said.run.tokens.encoder ? [...said.run.tokens.encoder, { text: "→", special: true }] : [];
    this.line.replaceChildren(
      ...[...source, ...read].map((token) => h("span", { class: `token given ${token.special ? "special" : ""}` }, h("span", { class: "reads" }, token.text))),
      ...said.steps.map((/** @type {any} */ each, /** @type {number} */ at) => h("button", {
        type: "button", class: `token ${at > step ? "later" : ""} ${at === step ? "is-query" : ""} ${each.forced ? "second" : ""}`, dataset: { at },
        "aria-pressed": at === step, on: { click: () => { this.pause(); this.goto(at); } },
      }, each.text)));
    const chosen = /** @type {HTMLElement | null} */ (this.line.querySelector(".is-query"));
    this.line.scrollTop = (chosen?.offsetTop ?? 0) - this.line.offsetTop - 40;
  }
}
