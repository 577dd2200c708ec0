// @ts-check
/** The figure of the stage in view: draws its scene, and turns pointing and keys into a selection. */

import { drawAside } from "./aside.js";
import { Dials } from "./dials.js";
import { calm, fitted, h, sized } from "./dom.js";
import { ofRow, wordsOf } from "./likely.js";
import { guides, outline } from "./marks.js";
import { drawBar, drawPlate, limitOf, NUMBERS, valueAt } from "./plate.js";
import { outputPanel } from "./output.js";
import { drawRotation } from "./rotation.js";
import { build } from "./scenes.js";
import { sharedHeads } from "./shared.js";
import { Shuffle } from "./shuffle.js";
import { PART } from "./store.js";
import { tokenTable } from "./strips.js";
import { formatted } from "./words.js";
import { cut, drawLengths } from "./written.js";

/** @typedef {import("./scenes.js").Scene} Scene */

export class Figure {
  /** @param {HTMLElement} element @param {import("./store.js").Store} store @param {import("./words.js").Words} words @param {import("./data.js").Data} data */
  constructor(element, store, words, data) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.base = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
    this.over = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "over", tabindex: 0, role: "application" }));
    this.tip = h("div", { class: "tip", hidden: true });
    this.stage = h("div", { class: "plates" }, this.base, this.over, this.tip);
    this.table = h("div", { class: "token-table", tabindex: 0, hidden: true });
    element.append(this.stage, this.table);
    /** @type {Scene | null} */
    this.scene = null;
    this.dials = new Dials(store, words);
    this.shuffle = new Shuffle(store, words, data);
    this.size = "";
    this.drawn = "";
    this.listen();
  }

  listen() {
    const { over, store } = this;
    over.addEventListener("pointermove", (event) => this.point(event));
    over.addEventListener("pointerleave", () => this.leave());
    over.addEventListener("click", (event) => this.pin(event));
    for (const part of [over, this.table]) part.addEventListener("keydown", (event) => this.key(event));
    for (const part of document.querySelectorAll(".microscope :is(.stages, .strips, .heads)")) part.addEventListener("keydown", (event) => this.page(/** @type {KeyboardEvent} */ (event)));
    store.on(["arrays", "colors", "lang", "textSize", "run", "thumbnails", "held"], () => this.draw());
    let shown = "";
    store.on(["selection"], () => {
      const { stage, block, head, query, choice } = store.state.selection;
      const now = [stage, block, head, ...(["output", "written"].includes(store.stage.layout) || stage === "logits" ? [query, choice] : [])].join(" ");
      if (now !== shown) this.draw();
      else this.mark();
      shown = now;
    });
    store.on(["hover", "pinned"], () => this.mark());
    new ResizeObserver(() => this.resized()).observe(this.element);
  }

  resized() {
    const size = `${this.element.clientWidth} ${window.innerHeight}`;
    if (this.size !== size && this.element.clientWidth) this.draw();
    this.size = size;
  }

  /** Draw the stage anew. */
  draw() {
    const { state } = this.store;
    if (!state.run || !state.arrays.head || state.held) return;
    const panel = { tokens: tokenTable, shared: sharedHeads, output: outputPanel, dials: () => this.kept(this.dials), shuffle: () => this.kept(this.shuffle) }[/** @type {"tokens"} */ (this.store.stage.layout)];
    const focused = this.element.contains(document.activeElement);
    this.stage.hidden = Boolean(panel);
    this.table.hidden = !panel;
    if (focused) (panel ? this.table : this.over).focus({ preventScroll: true });
    if (panel) return this.table.replaceChildren(panel(this.store, this.words));
    if (!this.ready()) return;
    const stage = `${state.selection.stage} ${state.run.key}`;
    if (stage !== this.drawn && this.drawn && !calm()) this.base.animate([{ opacity: 0.25 }, { opacity: 1 }], { duration: 180, easing: "ease-out" });
    this.drawn = stage;
    this.scene = build(this.room());
    this.paint(this.scene);
    this.over.setAttribute("aria-label", this.words.ui("figure_label", { stage: this.words.of("stages", state.selection.stage).title }));
    this.mark();
  }

  /** A panel that stays while its numbers change. @param {Dials | Shuffle} panel */
  kept(panel) {
    panel.update();
    return panel.element;
  }

  /** Whether every array of the stage is here. */
  ready() {
    const { arrays } = this.store.state;
    return this.store.stage.plates.every((/** @type {any} */ plate) => arrays[plate.bundle] && (plate.optional || arrays[plate.bundle][plate.array]));
  }

  /** @returns {import("./scenes.js").Room} */
  room() {
    const { store, words } = this;
    const { state } = store;
    const bundles = /** @type {any} */ (Object.assign({}, ...["stream", "projection", "mask", "router", "norm", "mlp", "residual_attention", "residual_mlp", "positions", "reach", "vectors", "head"].map((name) => state.arrays[name] ?? {}), cut(state.arrays.written, state.selection.query), ofRow(state.arrays.logits, state.selection.query)));
    const { stage } = store;
    const pen = /** @type {CanvasRenderingContext2D} */ (this.base.getContext("2d"));
    const font = 12.5 * state.textSize;
    return {
      stage: { ...stage, plates: stage.plates.filter((/** @type {any} */ plate) => bundles[plate.array]).map((/** @type {any} */ plate) => this.settled(plate)) }, told: store.told(stage.id), operator: this.operator(), width: this.element.clientWidth - 8, height: this.height(), font,
      self: store.block.kind === "self",
      tensor: (array) => bundles[array],
      masked: (array) => this.masking(array, array.startsWith("mask_") ? bundles[array] : bundles.mask),
      names: (axis) => this.names(axis),
      word: (id) => words.ui(id), array: (name) => this.array(name),
      measure: (text, size) => { pen.font = `${size}px ${NUMBERS}`; return pen.measureText(text).width; },
      limit: (array, role) => limitOf(role, bundles[array === "masked_scores" ? "unmasked" : array]),
    };
  }

  /** Without a mask softmax receives the scores as they are; what says one thing of the whole ends in one vector. @param {any} plate */
  settled(plate) {
    if (["logits", "vectors"].includes(plate.bundle) && !this.store.state.run.predicting) return { ...plate, axes: plate.axes.map((/** @type {string} */ axis) => (axis === "query" ? "one" : axis)) };
    return plate.array === "masked_scores" && !("mask" in this.store.block.stages) ? { ...plate, symbol: "S" } : plate;
  }

  /** What an array is called: the built-in model scales its embeddings, and BERT's sum passes a norm. @param {string} name */
  array(name) {
    const { route, stages } = this.store.block;
    const { up, units_all: all } = this.store.state.arrays.mlp ?? {};
    if (["up", "gate", "hidden"].includes(name) && all && all.data[0] > up.shape[1]) return `${this.words.ui(`array_${name}`)} (${this.words.ui("units_some", { shown: up.shape[1], all: all.data[0] })})`;
    if (name === "masked_scores" && !("mask" in stages)) return this.words.ui("array_scores");
    if (name === "likeness" && this.store.told("likeness") === "likeness_cosine") return this.words.ui("array_likeness_cosine");
    if (name.endsWith("_made") && !("rotation" in stages)) return this.words.ui(`array_${name.replace("_made", "")}`);
    if (name === "residual" && stages.position === "position_norm") return this.words.ui("array_residual_norm");
    return this.words.ui(name === "token_embedding" && route !== "builtin" ? "array_token_embedding_any" : `array_${name}`);
  }

  /** What stands before the output: the stage's own sign, or what this model really does. */
  operator() {
    const { operators, id } = this.store.stage;
    const { scale, softcap } = this.store.block;
    const told = this.store.told(id);
    if (told === "scale_none" || told === "scale_other") return `× ${formatted(scale, scale === 1 ? "" : ".4f")}`;
    if (id === "softcap") return `${softcap} · tanh(s ÷ ${softcap})`;
    return told === "position_norm" ? "norm" : operators[operators.length - 1] ?? "";
  }

  /** Arrays after the mask hide forbidden cells; the raw scores do not know them yet. @param {string} array @param {any} mask */
  masking(array, mask) {
    if (!["mask", "masked_scores", "weights"].includes(array) && !array.startsWith("mask_")) return null;
    return (/** @type {number} */ q, /** @type {number} */ k) => !mask.data[q * mask.shape[1] + k];
  }

  /** The height that the window leaves below the figure's top. */
  height() {
    const top = this.element.getBoundingClientRect().top + window.scrollY;
    return Math.max(380, Math.min(940, window.innerHeight - top - 26));
  }

  /** @param {string} axis @returns {string[]} */
  names(axis) {
    const { store } = this;
    const { block } = store;
    if (axis === "position" || axis === "other") return this.places();
    if (axis === "key") return store.tokens(block.keyStream).map((token) => token.text);
    if (axis === "head") return Array.from({ length: block.heads }, (_, head) => this.words.ui("head_n", { head }));
    if (axis === "choice") return wordsOf(store.state.arrays.logits, store.state.selection.query);
    if (axis === "expert") return Array.from({ length: store.length("expert") }, (_, i) => String(i));
    if (axis !== "query") return [];
    const attends = ["product", "flow"].includes(store.stage.layout); // before that a row predicts nothing yet
    return store.tokens(block.queryStream).map((token, i) => (attends ? store.label(block.queryStream, i) : token.text));
  }

  /** The tokens of the stream, and after them the numbers of the positions that nobody stands at. */
  places() {
    const tokens = this.store.tokens(this.store.block.queryStream);
    const count = this.store.state.arrays.positions?.encoding?.shape[0] ?? tokens.length;
    return Array.from({ length: count }, (_, i) => tokens[i]?.text ?? String(i));
  }

  /** @param {Scene} scene */
  paint(scene) {
    const { colors, textSize } = this.store.state;
    const pen = sized(this.base, scene.width, scene.height);
    sized(this.over, scene.width, scene.height);
    for (const plate of scene.plates) if (!plate.hidden) drawPlate(pen, plate, colors);
    for (const bar of scene.bars) drawBar(pen, bar.plate, colors, { ...bar, font: 12.5 * textSize });
    for (const label of scene.labels) if (!label.quiet) this.label(pen, label, colors.palette.ink, null);
    for (const { text, x, y, align, role, size } of scene.captions) {
      pen.font = `${size}px ${NUMBERS}`;
      pen.fillStyle = colors.palette[`${role === "context" ? "value" : role === "score" ? "weight" : role}_text`] ?? colors.palette[role] ?? colors.palette.muted;
      pen.textAlign = align;
      pen.textBaseline = "middle";
      pen.fillText(text, x, y);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {import("./scenes.js").Label} label @param {string} ink @param {string | null} ground */
  label(pen, label, ink, ground) {
    pen.save();
    pen.font = `${ground ? "600 " : ""}${Math.max(label.font, ground ? 11 : 0)}px ${NUMBERS}`;
    pen.translate(label.x, label.y);
    if (label.slanted) pen.rotate(-Math.PI / 4);
    pen.textAlign = "left";
    const text = fitted(pen, label.text, label.width * (ground ? 1.12 : 1));
    const width = pen.measureText(text).width;
    const from = label.side === "left" ? -width : label.side === "right" || label.slanted ? 0 : -width / 2;
    const size = Math.max(label.font, 11);
    const rise = label.side === "top" ? -size * 0.45 : 0;
    if (ground) {
      pen.fillStyle = ground;
      pen.beginPath();
      pen.roundRect(from - 4, rise - size * 0.75, width + 8, size * 1.5, 4);
      pen.fill();
    }
    pen.fillStyle = ink;
    pen.textBaseline = "middle";
    pen.fillText(text, from, rise);
    pen.restore();
  }

  /** Mark the active cell, what it is made from, and its tokens. */
  mark() {
    const { scene, store } = this;
    if (store.stage?.layout === "dials") this.dials.update();
    if (store.stage?.layout === "shuffle") this.shuffle.update();
    if (!scene || this.stage.hidden || store.state.held) return;
    const { palette } = store.state.colors;
    const at = store.active;
    const pen = sized(this.over, scene.width, scene.height);
    const fixed = Object.fromEntries(store.stage.sources.map((/** @type {any} */ source) => [source.array, source.fixed]));
    for (const plate of scene.plates) {
      const axes = plate.output ? plate.axes : fixed[plate.array] ?? plate.axes;
      outline(pen, plate, at, axes, palette, plate.output || plate.array in fixed);
    }
    if (scene.guides) guides(pen, scene, at, palette);
    if (scene.area && store.stage.layout === "rotation") drawRotation(pen, scene.area, store, this.words);
    else if (scene.area && store.stage.layout === "written") drawLengths(pen, scene, store, this.words);
    else if (scene.area) drawAside(pen, scene.area, store, this.words, scene.plates[0]);
    for (const label of scene.labels) {
      if (label.axis === "key" && !store.block.heads) continue; // a recurrent network has no key
      if (label.index !== /** @type {any} */ (at)[PART[/** @type {"query"} */ (label.axis)]]) continue;
      this.label(pen, label, palette.on_role, ["key", "other"].includes(label.axis) ? palette.key_text : ["query", "position"].includes(label.axis) ? palette.query_text : palette.weight_text);
    }
  }

  /** The cell under the pointer. @param {MouseEvent} event */
  under(event) {
    const box = this.over.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    for (const plate of this.scene?.plates ?? []) {
      const [c, r] = [Math.floor((x - plate.x) / plate.cw), Math.floor((y - plate.y) / plate.ch)];
      if (!plate.hidden && c >= 0 && r >= 0 && c < plate.cols && r < plate.rows) return { plate, r, c, x, y };
    }
    for (const label of this.scene?.labels ?? []) {
      if (label.quiet) continue;
      const near = label.side === "top" ? Math.abs(x - label.x) < 14 && y < label.y + 4 && y > label.y - 60
        : Math.abs(y - label.y) < label.height / 2 && (label.side === "left" ? x < label.x && x > label.x - label.width : x > label.x && x < label.x + label.width);
      if (near) return { label, x, y };
    }
    return null;
  }

  /** @param {any} hit @returns {import("./store.js").Cell} */
  cell(hit) {
    if (hit.label && ["position", "other"].includes(hit.label.axis) && hit.label.index >= this.store.length(hit.label.axis)) return {};
    if (hit.label) return { [PART[/** @type {"query"} */ (hit.label.axis)]]: hit.label.index };
    const parts = hit.plate.axes.map((/** @type {"query"} */ axis, /** @type {number} */ i) => [PART[axis], i ? hit.c : hit.r, axis]);
    const there = (/** @type {any[]} */ [part, index, axis]) => part && (!["position", "other"].includes(axis) || index < this.store.length(axis));
    return Object.fromEntries(parts.filter(there));
  }

  /** @param {PointerEvent} event */
  point(event) {
    const hit = this.under(event);
    this.over.style.cursor = hit ? "crosshair" : "default";
    if (!hit) return this.leave();
    if (hit.plate) this.show(hit);
    else this.tip.hidden = true;
    if (event.pointerType === "touch" || this.store.state.pinned) return;
    const cell = this.cell(hit);
    if (JSON.stringify(cell) !== JSON.stringify(this.store.state.hover)) this.store.set({ hover: cell });
  }

  /** The value under the pointer. @param {any} hit */
  show({ plate, r, c, x, y }) {
    const [rowName, columnName] = [this.name(plate.axes[0], r), this.name(plate.axes[1], c)];
    const masked = plate.masked?.(r, c);
    const value = plate.role === "mask" ? this.words.ui(masked ? "mask_no" : "mask_yes") : formatted(masked ? -Infinity : valueAt(plate, r, c), ".4f");
    const made = plate.array === "encoding" ? this.sine(r, c) : "";
    this.tip.textContent = `${[rowName, columnName].filter(Boolean).join(" · ")}\n${this.array(plate.array)} ${plate.array === "weights" && masked ? "0 (−∞)" : value}${made}`;
    this.tip.hidden = false;
    const left = Math.min(x + 14, (this.scene?.width ?? 0) - this.tip.offsetWidth - 4);
    this.tip.style.transform = `translate(${Math.max(0, left)}px, ${y + 18}px)`;
  }

  /** How a number of a row of sines is made, for any position. @param {number} place @param {number} dimension */
  sine(place, dimension) {
    const { encoding, sines } = this.store.state.arrays.positions;
    const exponent = 2 * Math.floor(dimension / 2);
    return sines.data[0] ? ` = ${dimension % 2 ? "cos" : "sin"}(${place} ÷ 10000^(${exponent}/${encoding.shape[1]}))` : "";
  }

  /** @param {string} axis @param {number} index */
  name(axis, index) {
    if (axis === "position" || axis === "other") return this.words.ui("position_n", { index });
    if (axis === "query" || axis === "key") return `“${this.store.tokens(this.store.block[`${axis}Stream`])[index]?.text}”`;
    if (axis === "head") return this.words.ui("head_n", { head: index });
    if (axis === "choice") return `“${this.names(axis)[index]}”`;
    const channel = axis === "d_hidden" ? this.store.state.arrays.mlp.units.data[index] : index;
    return axis === "one" ? "" : this.words.ui({ expert: "expert_n", unit: "unit_n" }[axis] ?? "dimension", { index: channel });
  }

  leave() {
    this.tip.hidden = true;
    if (this.store.state.hover) this.store.set({ hover: null });
  }

  /** @param {MouseEvent} event */
  pin(event) {
    const hit = this.under(event);
    if (!hit) return;
    this.over.focus({ preventScroll: true });
    this.store.select(this.cell(hit));
    this.store.set({ hover: null, pinned: true });
  }

  /** Arrows move, Enter pins, Escape frees, Page Up and Down change the stage. @param {KeyboardEvent} event */
  key(event) {
    const { store } = this;
    const output = this.stage.hidden ? null : [...(this.scene?.plates ?? [])].reverse().find((plate) => plate.output);
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [1, -1], ArrowRight: [1, 1] }[event.key];
    if (step && output && PART[/** @type {"query"} */ (output.axes[step[0]])]) this.move(output.axes[step[0]], step[1]);
    else if (step && store.stage.id === "choice") store.select({ query: Math.max(0, Math.min(store.length("query") - 1, store.state.selection.query + step[1])) });
    else if (step && store.stage.id === "output") store.select({ choice: Math.max(0, Math.min((store.state.arrays.output?.ids?.shape[1] ?? 1) - 1, store.state.selection.choice + step[1])) });
    else if (event.key === "Enter" && event.target instanceof HTMLButtonElement) return; // it is pressed
    else if (event.key === "Enter") store.set({ pinned: true, hover: null });
    else if (event.key === "Escape") store.set({ pinned: false, hover: null });
    else if (event.key === "PageDown" || event.key === "PageUp") this.turn(event.key === "PageDown" ? 1 : -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** A presenter's remote sends Page Down wherever the focus is. @param {KeyboardEvent} event */
  page(event) {
    if (event.key !== "PageDown" && event.key !== "PageUp") return;
    event.preventDefault();
    this.turn(event.key === "PageDown" ? 1 : -1);
  }

  /** @param {string} axis @param {number} by */
  move(axis, by) {
    const { store } = this;
    const part = PART[/** @type {"query"} */ (axis)];
    const at = /** @type {any} */ (store.active)[part];
    store.select({ ...store.state.hover, [part]: Math.max(0, Math.min(store.length(axis) - 1, at + by)) });
    store.set({ hover: null, pinned: true });
  }

  /** @param {number} by */
  turn(by) {
    const ids = this.store.stages.map((/** @type {any} */ stage) => stage.id);
    const at = ids.indexOf(this.store.state.selection.stage) + by;
    if (ids[at]) this.store.select({ stage: ids[at] });
  }
}
