// @ts-check
/** The page: builds its parts, runs sentences, and loads what the selection needs. */

import { follow, nearest, read, stageOf } from "./address.js";
import { Colors } from "./colors.js";
import { Notices, Presets, SIZES, TopBar } from "./controls.js";
import { Data, Refusal } from "./data.js";
import { Dialogs } from "./dialogs.js";
import { h } from "./dom.js";
import { asked as requested } from "./family.js";
import { Explanation } from "./explain.js";
import { ranked, row } from "./facts.js";
import { Figure } from "./figure.js";
import { Generate } from "./generate.js";
import { Heads } from "./heads.js";
import { ROWS } from "./likely.js";
import { Bars, Lines } from "./lines.js";
import { ModelMap } from "./map.js";
import { Models } from "./models.js";
import { Player } from "./play.js";
import { Curve } from "./recurrent.js";
import { Sentence } from "./sentence.js";
import { stagesIn, Store } from "./store.js";
import { StageStrip, TokenStrips } from "./strips.js";
import { reason, Tabs } from "./tabs.js";
import { Words } from "./words.js";

/** Numbers of a stream's bundle up to which it is fetched for the little pictures alone. */
const SMALL = 40_000;

const REMEMBERED = ["lang", "theme", "textSize", "mapFolded"];

/** The widest page, in pixels, on which the map begins folded: there it stands above the figure. */
const ONE_COLUMN = 900;

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

/**
 * A cell to begin with: a row that sees something, and its key with the most weight. The first key is left out where there
 * is another: many heads look at it for want of anything better.
 * @param {any} run @param {any} head @param {any} selection @param {number} [asked] the row that was asked for
 */
function telling(run, head, selection, asked) {
  const tokens = run.tokens[run.blocks.find((/** @type {any} */ each) => each.name === selection.block).queryStream];
  const words = tokens.map((/** @type {any} */ token, /** @type {number} */ i) => (token.special || !/[\p{L}\d]/u.test(token.text) ? -1 : i)).filter((/** @type {number} */ i) => i >= 0);
  const patches = tokens.some((/** @type {any} */ token) => token.row >= 0);
  const query = asked ?? (patches ? words[Math.floor(words.length * 0.55)] : words[words.length - 1]) ?? selection.query;
  if (!head.weights) return { query };
  const weights = row(head.weights, query);
  const best = ranked(weights).filter((key) => weights[key] > 0);
  return { query, key: best.find((key) => key > 0 && key !== query) ?? best[0] ?? 0 };
}

/** The place of the nth of equal words; the first of all where there is none. @param {string[]} words @param {string} word @param {number} n */
const nth = (words, word, n) => words.map((each, i) => (each === word ? i : -1)).filter((i) => i >= 0)[n - 1] ?? 0;

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
      config, models: config.models, opening: null, run: null, arrays: {}, thumbnails: null, picture: null, notices: [], hover: null, writing: null,
      pinned: false, held: false, mapFolded: kept.mapFolded ?? window.innerWidth <= ONE_COLUMN, busy: false, preset: "",
      lang: ["zh", "en"].includes(asked.lang) ? asked.lang : kept.lang ?? (chinese ? "zh" : "en"),
      theme: kept.theme ?? (dark ? "dark" : "light"), textSize: SIZES.includes(kept.textSize) ? kept.textSize : 1,
      request: { model: config.models[0].name, dtype: null, text: "", target: null, language: null, image: null, reading: null },
      selection: { block: "", head: 0, query: 0, key: 0, channel: 0, dimension: 0, expert: 0, choice: 1, unit: 0, shift: 1, mix: 1, tab: "walk", stage: "softmax", depth: "words" },
    });
    this.words = new Words(config.texts, this.store);
  }

  start() {
    this.theme();
    this.store.on(["selection"], () => this.load()); // first: no view may show the old head's numbers under the new name
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
    const [top, sentence, presets, notices, strips, pictures] = ["topbar", "sentence", "presets", "notices", "strips", "pictures"].map((name) => part("div", name));
    const tabs = h("div", { class: "tabs", role: "tablist" });
    const stages = h("div", { class: "stages", role: "tablist" });
    const [heads, figure, explain, lines, bars, curve] = [["nav", "heads"], ["section", "figure"], ["section", "explain"], ["section", "lines"], ["section", "bars"], ["section", "curve"]].map(([tag, name]) => part(tag, name));
    const nothing = h("p", { class: "nothing", dataset: { tabs: "positions", empty: "" } });
    for (const part of [strips, stages, figure, explain]) part.dataset.tabs = "walk positions";
    const below = h("div", { class: "below", dataset: { tabs: "walk" } }, lines, bars, curve);
    const generate = h("section", { class: "generate", dataset: { tabs: "generate" } });
    const main = h("main", {}, strips, stages, figure, nothing, generate, below);
    const map = h("section", { class: "map", dataset: { tabs: "walk positions" } });
    const play = h("div", { class: "play", role: "group", dataset: { tabs: "walk" } });
    this.root.append(top, sentence, presets, notices, h("div", { class: "tabs-row" }, tabs, play), h("div", { class: "body" }, h("div", { class: "left" }, pictures, map, heads), main, explain));
    const { store, words, data } = this;
    const tried = (/** @type {() => any} */ action) => this.tried(action);
    const run = (/** @type {any} */ request) => this.run(request, {});
    const example = (/** @type {any} */ preset) => this.choose(preset);
    this.models = new Models(store, words, data, { tried, run, example });
    this.dialogs = new Dialogs(this.root, store, words, data, this.models);
    const dialog = (/** @type {string} */ id) => this.tried(() => this.dialogs?.open(id));
    new TopBar(top, store, words, { run, dialog, models: this.models, chooser: this.dialogs.chooser }).draw();
    new Sentence(sentence, store, words, { run, upload: (file) => this.tried(() => this.upload(file)) });
    new Presets(presets, store, words, this.models.family, example);
    new Notices(notices, store, words, dialog);
    new TokenStrips(strips, pictures, store, words);
    new Tabs(tabs, this.root, store, words).draw();
    store.on(["run", "lang", "selection"], () => store.isEmpty && (nothing.textContent = words.ui(reason(store))));
    new StageStrip(stages, store, words).draw();
    new ModelMap(map, store, words);
    new Heads(heads, store, words);
    new Figure(figure, store, words, data);
    new Explanation(explain, store, words, dialog);
    new Lines(lines, store, words);
    new Bars(bars, store, words);
    new Curve(curve, store, words);
    new Player(play, this.root, store, words);
    new Generate(generate, store, words, data, (action) => this.tried(action));
  }

  watch() {
    const { store } = this;
    store.on(["lang"], () => this.language());
    store.on(["theme"], () => this.theme());
    store.on(["textSize"], () => this.root.style.setProperty("--scale", String(store.state.textSize)));
    store.on(REMEMBERED, () => localStorage.setItem("attention-microscope", JSON.stringify(Object.fromEntries(REMEMBERED.map((name) => [name, store.state[name]])))));
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
  async open() {
    const { asked, store } = this;
    const { texts } = store.state.config;
    const wrong = [];
    if (asked.to !== undefined && !["fr", "zh", "en"].includes(asked.to)) wrong.push("to");
    if (asked.lang !== undefined && !["zh", "en"].includes(asked.lang)) wrong.push("lang");
    const kept = Object.fromEntries(Object.entries(asked).filter(([name]) => !wrong.includes(name)));
    if (asked.text === undefined && asked.image === undefined) {
      const own = this.models?.family.examples(kept.model) ?? [];
      const [example] = [...own, ...texts.presets];
      await this.choose(example, kept, wrong);
      const other = (kept.model ?? example.model) !== example.model; // a model alone reads the example's text
      return other ? this.tried(() => this.models?.choose(kept.model, kept.dtype ?? null)) : undefined;
    }
    const request = { ...store.state.request, model: kept.model ?? store.state.request.model, dtype: kept.dtype ?? null, text: asked.text ?? "", target: asked.target ?? null, language: kept.to ?? null, image: kept.image ?? null, reading: kept.reading ?? null };
    if (!this.models?.isOpen(request)) await this.choose(texts.presets[0]); // an example to look at while the model is fetched
    await this.run(request, kept, wrong);
    if (store.state.run) return;
    const { notices } = store.state;
    await this.choose(texts.presets[0]); // never an empty page: the message stays, above an example
    store.set({ notices });
  }

  /** @param {any} preset @param {Record<string, any>} [asked] @param {string[]} [wrong] */
  choose(preset, asked = {}, wrong = []) {
    return this.run(requested(preset), { depth: this.store.state.selection.depth, ...preset, ...asked, preset }, wrong);
  }

  /**
   * Run a sentence and show it; a refusal leaves the page as it is.
   * @param {any} request @param {Record<string, any>} asked @param {string[]} [wrong]
   */
  async run(request, asked, wrong = []) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.store.set({ busy: true });
    await this.tried(async () => {
      const manifest = await this.answer(request).catch((error) => { if (turn === this.turn) throw error; });
      if (turn !== this.turn || !manifest) return;
      const found = this.resolve(asked, manifest);
      const { selection, wrong: moved } = nearest(found, manifest, this.store.state.config, this.store.state.selection);
      const picture = manifest.image ? this.data.bundle(manifest.key, "picture") : null;
      const told = this.tells(manifest, selection) ? null : this.learn();
      const [arrays, thumbnails, seen] = await Promise.all([this.arrays(manifest, selection), this.data.bundle(manifest.key, "thumbnails"), picture, told]);
      if (turn !== this.turn) return;
      const fresh = manifest.model.name !== this.store.state.run?.model.name && !asked.preset && asked.key === undefined;
      if (fresh) Object.assign(selection, telling(manifest, arrays.head, selection, asked.query === undefined ? undefined : selection.query));
      this.store.set({ notices: this.notes(manifest, [...wrong, ...moved]), hover: null, pinned: false, preset: asked.preset?.id ?? this.presetOf(request) });
      this.store.set({ run: manifest, request, selection, arrays, thumbnails, picture: seen, models: this.known(manifest.model) });
      this.learn().catch(() => {}); // asked for again where it is needed
    });
    if (turn === this.turn) this.store.set({ busy: false });
  }

  /** Whether the texts are here that tell the stages of the selection's block. @param {any} run @param {any} selection */
  tells(run, { block }) {
    return this.words.tells(run.blocks.find((/** @type {any} */ each) => each.name === block));
  }

  /** Fetch the texts of the stages that other models do in another way, once: the first view seldom needs them. */
  learn() {
    const learnt = this.learning ?? this.data.variants().then((told) => void Object.assign(this.words.texts.stages, told));
    learnt.catch(() => (this.learning = null));
    return (this.learning = learnt);
  }

  /** The cards that are known, with that of a model in the box once it has run. @param {any} card */
  known(card) {
    const { models } = this.store.state;
    return models.some((/** @type {any} */ each) => each.name === card.name) ? models : [...models, card];
  }

  /** The manifest of a run; its model is opened first where it is not open, or no longer. @param {any} request */
  async answer(request) {
    if (!this.models?.isOpen(request)) await this.models?.open(request.model, request.dtype);
    return this.models?.again(request, () => this.data.run(request));
  }

  /** Give an image to the server and look at it. @param {File} file */
  async upload(file) {
    const image = await this.data.upload(file);
    await this.run({ ...this.store.state.request, image }, {});
  }

  /** A preset names its row and column by their words. @param {Record<string, any>} asked @param {any} run */
  resolve(asked, run) {
    const { preset } = asked;
    if (!preset) return asked;
    const block = run.blocks.find((/** @type {any} */ each) => each.name === preset.block) ?? run.blocks[0];
    const texts = (/** @type {string} */ stream) => run.tokens[stream].map((/** @type {any} */ token) => token.text);
    const query = preset.predicts ? nth(run.predictions, preset.predicts, preset.query_nth) : nth(texts(block.queryStream), preset.query, preset.query_nth);
    const named = { query, key: nth(texts(block.keyStream), preset.key, preset.key_nth) };
    return { ...asked, ...named, ...Object.fromEntries(Object.entries(this.asked).filter(([name]) => !["text", "model"].includes(name) && Object.is(asked[name], this.asked[name]))) };
  }

  /** @param {any} request */
  presetOf(request) {
    return this.models?.family.example(request)?.id ?? "";
  }

  /** @param {any} run @param {string[]} wrong */
  notes(run, wrong) {
    const notes = [];
    if (run.unknown.length) notes.push({ id: "unknown_words", kind: "note", facts: { words: run.unknown.join(", ") } });
    const pair = run.untrained.map((/** @type {string} */ language) => this.words.ui(`to_${language}`));
    if (pair.length) notes.push({ id: "untrained_pair", kind: "note", facts: { got: pair.join(" → ") } });
    const [width, height, toWidth, toHeight] = run.resized;
    if (width && !run.image.startsWith("example:")) notes.push({ id: "resized", kind: "note", facts: { got: `${width} × ${height}`, seen: `${toWidth} × ${toHeight}` } });
    if (wrong.length) notes.push({ id: "url_fixed", kind: "note", facts: { what: wrong.join(", ") } });
    return notes;
  }

  /** Everything that the selection's figure needs. @param {any} run @param {import("./store.js").Selection} selection */
  async arrays(run, selection) {
    const paths = this.paths(run, selection);
    const model = { model: run.model.name, dtype: run.model.dtype };
    const bundles = await Promise.all(Object.values(paths).map((path) => this.models?.again(model, () => this.data.bundle(run.key, path))));
    const found = Object.fromEntries(Object.keys(paths).map((name, i) => [name, bundles[i]]));
    const { standsFor } = this.store.state.config;
    for (const [name, other] of Object.entries(standsFor)) found.head[name] ??= found.head[/** @type {string} */ (other)];
    return { ...found, of: this.place(run, selection) };
  }

  /** What the arrays here belong to: a head, and where a stage needs them the outputs of some rows, what some rows are written from, or the words that one row says. @param {any} run @param {any} selection */
  place(run, selection) {
    const { output, written, logits } = this.paths(run, selection);
    return [run.key, selection.block, selection.head, output, written, logits].join(" ");
  }

  /** Where the bundles are that the stage in view shows. @param {any} run @param {any} selection @returns {Record<string, string>} */
  paths(run, { block, head, query, stage }) {
    const { queryStream, stages, writtenRows } = run.blocks.find((/** @type {any} */ each) => each.name === block);
    const all = { head: `head/${block}/${head}`, stream: `stream/${queryStream}`, projection: `projection/${block}/${head}`, mask: `mask/${block}/${head}`, router: `router/${block}`, norm: `norm/${block}`, mlp: `mlp/${block}`, written: `written/${block}/${Math.floor(query / (writtenRows || 1))}`, residual_attention: `residual_attention/${block}`, residual_mlp: `residual_mlp/${block}`, positions: `positions/${queryStream}`, reach: `reach/${block}/${head}`, vectors: "vectors", logits: `logits/${run.predicting ? Math.floor(query / (run.logitRows || 1)) : 0}`, output: `output/${run.predicting ? Math.floor(query / ROWS) : 0}` };
    const shown = this.store.state.config.stages.find((/** @type {any} */ each) => each.id === stage);
    const needed = new Set(["head", ...shown.plates.map((/** @type {any} */ plate) => plate.bundle), ...shown.bundles]);
    const small = run.tokens[queryStream].length * run.model.d_model < SMALL;
    if (small && "embedding" in stages) needed.add("stream"); // for the little pictures of the stages
    return Object.fromEntries(Object.entries(all).filter(([name]) => needed.has(name)));
  }

  /** Bring in what the selection needs and is not here yet. */
  load() {
    const { run, selection, arrays } = this.store.state;
    if (!run) return;
    const { block, stage, tab } = selection;
    const entry = run.blocks.find((/** @type {any} */ each) => each.name === block);
    if (!(stage in stagesIn(entry, tab))) return this.store.select({ stage: stageOf(stage, entry, this.store.state.config, { tab }) });
    if (!this.words.tells(entry)) return this.tried(() => this.learn().then(() => this.store.set({ selection: { ...this.store.state.selection }, arrays: { ...this.store.state.arrays } })));
    const needed = this.place(run, selection);
    if (arrays.of === needed && Object.keys(this.paths(run, selection)).every((name) => name in arrays)) return;
    if (arrays.of && arrays.of !== needed) Object.assign(this.store.state, { arrays: {} });
    this.tried(async () => {
      const loaded = await this.arrays(run, selection);
      const now = this.store.state;
      if (now.run === run && this.place(run, now.selection) === needed) this.store.set({ arrays: { ...(now.arrays.of === needed ? now.arrays : {}), ...loaded } });
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
