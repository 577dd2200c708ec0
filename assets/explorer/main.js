// @ts-check
/** The page: builds its parts, runs sentences, and loads what the selection needs. */

import { follow, nearest, read } from "./address.js";
import { Colors } from "./colors.js";
import { Notices, Presets, Sentence, SIZES, TopBar } from "./controls.js";
import { Data, Refusal } from "./data.js";
import { Dialogs } from "./dialogs.js";
import { h } from "./dom.js";
import { Explanation } from "./explain.js";
import { Figure } from "./figure.js";
import { Heads } from "./heads.js";
import { Bars, Lines } from "./lines.js";
import { Store } from "./store.js";
import { StageStrip, TokenStrips } from "./strips.js";
import { Words } from "./words.js";

const REMEMBERED = ["lang", "theme", "textSize"];

/** @param {HTMLElement} host @param {URL} base */
export async function mount(host, base) {
  const root = /** @type {HTMLElement} */ (host.querySelector(".microscope"));
  const data = new Data(base);
  const config = await data.config().catch(() => null);
  if (!config) return setTimeout(() => mount(host, base), 1500);
  new Page(root, data, config).start();
}

/** What was chosen before, on this machine. */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem("attention-microscope") ?? "{}");
  } catch {
    return {};
  }
}

class Page {
  /** @param {HTMLElement} root @param {Data} data @param {any} config */
  constructor(root, data, config) {
    const kept = remembered();
    const asked = read();
    const dark = new URLSearchParams(window.location.search).get("__theme") === "dark" || window.matchMedia("(prefers-color-scheme: dark)").matches;
    this.root = root;
    this.data = data;
    this.asked = asked;
    const chinese = navigator.language.toLowerCase().startsWith("zh");
    this.store = new Store({
      config, run: null, arrays: {}, thumbnails: null, notices: [], hover: null, pinned: false, busy: false, preset: "", projection: 0,
      lang: ["zh", "en"].includes(asked.lang) ? asked.lang : kept.lang ?? (chinese ? "zh" : "en"),
      theme: kept.theme ?? (dark ? "dark" : "light"), textSize: SIZES.includes(kept.textSize) ? kept.textSize : 1,
      request: { model: config.models[0].name, text: "", target: null, language: null },
      selection: { block: "", head: 0, query: 0, key: 0, channel: 0, dimension: 0, stage: "softmax", depth: "words" },
    });
    this.words = new Words(config.texts, this.store);
  }

  start() {
    this.theme();
    this.build();
    this.watch();
    follow(this.store);
    this.store.set({ lang: this.store.state.lang });
    this.language();
    this.root.dataset.state = "ready";
    this.open();
  }

  build() {
    const part = (/** @type {string} */ tag, /** @type {string} */ name) => h(tag, { class: name });
    const [top, sentence, presets, notices, strips] = ["topbar", "sentence", "presets", "notices", "strips"].map((name) => part("div", name));
    const stages = h("div", { class: "stages", role: "tablist" });
    const [heads, figure, explain, lines, bars] = [["nav", "heads"], ["section", "figure"], ["section", "explain"], ["section", "lines"], ["section", "bars"]].map(([tag, name]) => part(tag, name));
    const main = h("main", {}, strips, stages, figure, h("div", { class: "below" }, lines, bars));
    this.root.append(top, sentence, presets, notices, h("div", { class: "body" }, heads, main, explain));
    const { store, words, data } = this;
    this.dialogs = new Dialogs(this.root, store, words, data);
    const dialog = (/** @type {string} */ id) => this.tried(() => this.dialogs?.open(id));
    const run = (/** @type {any} */ request) => this.run(request, {});
    new TopBar(top, store, words, { run, dialog }).draw();
    new Sentence(sentence, store, words, { run, dialog });
    new Presets(presets, store, words, (preset) => this.choose(preset));
    new Notices(notices, store, words, dialog);
    new TokenStrips(strips, store, words);
    new StageStrip(stages, store, words).draw();
    new Heads(heads, store, words);
    new Figure(figure, store, words);
    new Explanation(explain, store, words, dialog);
    new Lines(lines, store, words);
    new Bars(bars, store, words);
  }

  watch() {
    const { store } = this;
    store.on(["lang"], () => this.language());
    store.on(["theme"], () => this.theme());
    store.on(["textSize"], () => this.root.style.setProperty("--scale", String(store.state.textSize)));
    store.on(REMEMBERED, () => localStorage.setItem("attention-microscope", JSON.stringify(Object.fromEntries(REMEMBERED.map((name) => [name, store.state[name]])))));
    store.on(["selection"], () => this.load());
    this.root.style.setProperty("--scale", String(store.state.textSize));
  }

  language() {
    const { lang } = this.store.state;
    document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
    document.title = this.words.ui("title");
    this.root.lang = document.documentElement.lang;
  }

  theme() {
    const dark = this.store.state.theme === "dark";
    const colors = new Colors(this.store.state.config.colours[dark ? "dark" : "light"], dark);
    colors.apply(document.documentElement);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    document.body.classList.toggle("dark", dark);
    this.store.set({ colors });
  }

  /** The first view: what the address says, or the first example. */
  open() {
    const { asked, store } = this;
    if (asked.text === undefined) return this.choose(store.state.config.texts.presets[0], asked);
    const request = { model: asked.model ?? store.state.request.model, text: asked.text, target: asked.target ?? null, language: asked.to ?? null };
    const known = store.state.config.models.some((/** @type {any} */ card) => card.name === request.model);
    const wrong = [known ? "" : "model", !request.language || ["fr", "zh", "en"].includes(request.language) ? "" : "to"].filter(Boolean);
    if (!known) request.model = store.state.config.models[0].name;
    if (wrong.includes("to")) request.language = null;
    if (asked.lang !== undefined && !["zh", "en"].includes(asked.lang)) wrong.push("lang");
    this.run(request, asked, wrong);
  }

  /** @param {any} preset @param {Record<string, any>} [asked] */
  choose(preset, asked = {}) {
    const request = { model: preset.model, text: preset.text, target: preset.target ?? null, language: preset.language ?? null };
    return this.run(request, { depth: this.store.state.selection.depth, ...preset, ...asked, preset });
  }

  /**
   * Run a sentence and show it; a refusal leaves the page as it is.
   * @param {any} request @param {Record<string, any>} asked @param {string[]} [wrong]
   */
  async run(request, asked, wrong = []) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.store.set({ busy: true });
    await this.tried(async () => {
      const manifest = await this.data.run(request);
      if (turn !== this.turn) return;
      const found = this.resolve(asked, manifest);
      const { selection, wrong: moved } = nearest(found, manifest, this.store.state.config, this.store.state.selection);
      const arrays = await this.arrays(manifest, selection);
      const thumbnails = await this.data.bundle(manifest.key, "thumbnails");
      if (turn !== this.turn) return;
      this.store.set({ notices: this.notes(manifest, [...wrong, ...moved]), hover: null, pinned: false, preset: asked.preset?.id ?? this.presetOf(request) });
      this.show(manifest, request, selection, { arrays, thumbnails });
    });
    if (turn === this.turn) this.store.set({ busy: false });
  }

  /** @param {any} run @param {any} request @param {any} selection @param {any} loaded */
  show(run, request, selection, { arrays, thumbnails }) {
    Object.assign(this.store.state, { arrays: {}, thumbnails: null });
    this.store.set({ run, request, selection });
    this.store.set({ thumbnails });
    this.store.set({ arrays });
    this.load();
  }

  /** A preset names its row and column by their words. @param {Record<string, any>} asked @param {any} run */
  resolve(asked, run) {
    const { preset } = asked;
    if (!preset) return asked;
    const block = run.blocks.find((/** @type {any} */ each) => each.name === preset.block) ?? run.blocks[0];
    const find = (/** @type {string} */ stream, /** @type {string} */ text) => Math.max(0, run.tokens[stream].findIndex((/** @type {any} */ token) => token.text === text));
    const query = preset.predicts ? Math.max(0, run.predictions.indexOf(preset.predicts)) : find(block.queryStream, preset.query);
    const named = { query, key: find(block.keyStream, preset.key) };
    return { ...asked, ...named, ...Object.fromEntries(Object.entries(this.asked).filter(([name]) => !["text", "model"].includes(name) && asked[name] === this.asked[name])) };
  }

  /** @param {any} request */
  presetOf(request) {
    const same = (/** @type {any} */ preset) => preset.text === request.text && preset.model === request.model && (preset.language ?? null) === request.language && !request.target;
    return this.store.state.config.texts.presets.find(same)?.id ?? "";
  }

  /** @param {any} run @param {string[]} wrong */
  notes(run, wrong) {
    const notes = [];
    if (run.unknown.length) notes.push({ id: "unknown_words", kind: "note", facts: { words: run.unknown.join(", ") } });
    const pair = run.untrained.map((/** @type {string} */ language) => this.words.ui(`to_${language}`));
    if (pair.length) notes.push({ id: "untrained_pair", kind: "note", facts: { got: pair.join(" → ") } });
    if (wrong.length) notes.push({ id: "url_fixed", kind: "note", facts: { what: wrong.join(", ") } });
    return notes;
  }

  /** Everything that the selection's figure needs. @param {any} run @param {import("./store.js").Selection} selection */
  async arrays(run, selection) {
    const { block, head, stage } = selection;
    const { queryStream } = run.blocks.find((/** @type {any} */ each) => each.name === block);
    const asked = [this.data.bundle(run.key, `head/${block}/${head}`), this.data.bundle(run.key, `stream/${queryStream}`)];
    if (stage === "qkv") asked.push(this.data.bundle(run.key, `projection/${block}/${head}`));
    const [one, stream, projection] = await Promise.all(asked);
    return { head: one, stream, projection, of: `${run.key} ${block} ${head} ${stage === "qkv"}` };
  }

  /** Bring in what the selection needs and is not here yet. */
  load() {
    const { run, selection, arrays } = this.store.state;
    if (!run) return;
    const { block, head, stage } = selection;
    const needed = `${run.key} ${block} ${head} `;
    if (arrays.of === `${needed}${stage === "qkv"}` || arrays.of === `${needed}true`) return;
    if (arrays.of && !arrays.of.startsWith(needed)) Object.assign(this.store.state, { arrays: {} });
    this.tried(async () => {
      const loaded = await this.arrays(run, selection);
      const now = this.store.state;
      if (now.run === run && now.selection.block === block && now.selection.head === head) this.store.set({ arrays: loaded });
    });
  }

  /** Do something; say what went wrong, lose nothing. @param {() => any} action */
  async tried(action) {
    try {
      await action();
    } catch (error) {
      const { id, facts } = error instanceof Refusal ? error : { id: "internal", facts: { got: String(error) } };
      if (!(error instanceof Refusal)) console.error(error);
      this.store.set({ notices: [{ id, facts, kind: "error" }] });
    }
  }
}
