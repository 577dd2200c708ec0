// @ts-check
/** The head in view as lines from query to key, and the active row as bars. */

import { fitted, h, sized } from "./dom.js";
import { ranked, row } from "./facts.js";
import { NUMBERS } from "./plate.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

const FAINTEST = 0.02;

/** Up to so many tokens are all shown; of more only those that matter for the chosen row. */
const MANY = 96;
const SHOWN = 40;

/** What both views share: a canvas with a heading, drawn again when what it shows changes. */
class View {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words @param {string} title */
  constructor(element, store, words, title) {
    this.store = store;
    this.words = words;
    this.element = element;
    this.heading = h("h2", {});
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { role: "img" }));
    element.append(this.heading, this.canvas);
    store.on(["arrays", "colors", "lang", "textSize", "selection", "hover", "pinned"], () => this.draw(title));
    this.canvas.addEventListener("click", (event) => this.pick(event));
    new ResizeObserver(() => this.draw(title)).observe(element);
  }

  /** The keys that are shown: all, or those with the most weight in the chosen row, in order. @returns {number[]} */
  keys() {
    const { active, state } = this.store;
    const count = this.store.length("key");
    if (count <= MANY) return Array.from({ length: count }, (_, i) => i);
    const weights = row(state.arrays.head.weights, active.query);
    const chosen = new Set([active.key, ...ranked(weights).filter((k) => weights[k] > 0).slice(0, SHOWN - 1)]);
    return [...chosen].sort((a, b) => a - b);
  }

  /** The queries that are shown: all, or those around the chosen one. @returns {number[]} */
  queries() {
    const count = this.store.length("query");
    if (count <= MANY) return Array.from({ length: count }, (_, i) => i);
    const from = Math.max(0, Math.min(count - SHOWN, this.store.active.query - SHOWN / 2));
    return Array.from({ length: SHOWN }, (_, i) => from + i);
  }

  /** Long sentences get smaller rows, so that a view stays on one screen. */
  get step() {
    const count = (/** @type {number} */ length) => (length > MANY ? SHOWN : length);
    const rows = this.store.block ? Math.max(count(this.store.length("query")), count(this.store.length("key"))) : 1;
    return Math.max(11, Math.min(22.75 * this.store.state.textSize, 760 / rows));
  }

  get font() {
    return Math.min(13 * this.store.state.textSize, this.step * 0.86);
  }

  /** @param {string} title */
  draw(title) {
    const { arrays, run } = this.store.state;
    if (!run || !arrays.head) return;
    this.element.hidden = !arrays.head.weights; // a recurrent network has none
    if (this.element.hidden || !this.element.clientWidth) return;
    const block = this.store.block;
    const { weights } = arrays.head;
    if (weights.shape[0] !== this.store.length("query") || weights.shape[1] !== this.store.length("key")) return;
    this.heading.textContent = this.words.ui(title, { block: this.words.block(block.name), head: this.store.state.selection.head });
    this.canvas.setAttribute("aria-label", this.heading.textContent);
    this.paint(weights, block);
  }

  /** @param {import("./store.js").Tensor} _weights @param {any} _block */
  paint(_weights, _block) {}

  /** @param {MouseEvent} _event */
  pick(_event) {}

  /** @param {MouseEvent} event */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, index: Math.floor((event.clientY - box.top) / this.step) };
  }
}

export class Lines extends View {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words */
  constructor(element, store, words) {
    super(element, store, words, "lines_title");
  }

  /** @param {import("./store.js").Tensor} weights @param {any} block */
  paint(weights, block) {
    const { store, font, step } = this;
    const nk = weights.shape[1];
    const [queries, keys] = [this.queries(), this.keys()];
    const width = Math.min(this.element.clientWidth - 4, 620);
    const pen = sized(this.canvas, width, Math.max(queries.length, keys.length) * step);
    const { palette } = store.state.colors;
    const at = store.active;
    const side = Math.min(width * 0.36, 200);
    pen.font = `${font}px ${NUMBERS}`;
    pen.lineCap = "round";
    queries.forEach((q, from) => keys.forEach((k, to) => this.line(pen, weights.data[q * nk + k], [side, from, width - side, to], q === at.query)));
    pen.globalAlpha = 1;
    pen.textBaseline = "middle";
    this.tokens(pen, block.queryStream, queries, { x: side - 10, align: "right", chosen: at.query, colour: palette.query_text });
    this.tokens(pen, block.keyStream, keys, { x: width - side + 10, align: "left", chosen: at.key, colour: palette.key_text });
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} weight @param {number[]} ends @param {boolean} active */
  line(pen, weight, [x0, q, x1, k], active) {
    if (weight < FAINTEST) return;
    const { palette } = this.store.state.colors;
    pen.globalAlpha = active ? 0.25 + 0.75 * weight : 0.05 + 0.22 * weight;
    pen.strokeStyle = active ? palette.weight : palette.muted;
    pen.lineWidth = 0.6 + (active ? 7 : 3) * weight;
    pen.beginPath();
    pen.moveTo(x0, (q + 0.5) * this.step);
    pen.bezierCurveTo((x0 + x1) / 2, (q + 0.5) * this.step, (x0 + x1) / 2, (k + 0.5) * this.step, x1, (k + 0.5) * this.step);
    pen.stroke();
  }

  /** @param {CanvasRenderingContext2D} pen @param {string} stream @param {number[]} shown @param {{x: number, align: CanvasTextAlign, chosen: number, colour: string}} how */
  tokens(pen, stream, shown, { x, align, chosen, colour }) {
    const { palette } = this.store.state.colors;
    const isQuery = align === "right";
    const tokens = this.store.tokens(stream);
    shown.forEach((i, place) => {
      const token = tokens[i];
      pen.textAlign = align;
      pen.fillStyle = i === chosen ? colour : palette.ink;
      pen.font = `${i === chosen ? "600 " : ""}${this.font}px ${NUMBERS}`;
      const text = isQuery ? this.store.label(stream, i) : token.text;
      pen.fillText(fitted(pen, text, isQuery ? x - 4 : 180), x, (place + 0.5) * this.step);
    });
  }

  /** @param {MouseEvent} event */
  pick(event) {
    const { x, index } = this.at(event);
    const axis = x < this.canvas.clientWidth / 2 ? "query" : "key";
    const shown = axis === "query" ? this.queries() : this.keys();
    if (index < shown.length) this.store.select({ [axis]: shown[index] });
  }
}

export class Bars extends View {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words */
  constructor(element, store, words) {
    super(element, store, words, "bars_title");
  }

  /** @param {import("./store.js").Tensor} weights @param {any} block */
  paint(weights, block) {
    const { store, font, step } = this;
    const at = store.active;
    const keys = store.tokens(block.keyStream);
    const shown = this.keys();
    const width = Math.min(this.element.clientWidth - 4, 620);
    const pen = sized(this.canvas, width, shown.length * step);
    const mask = store.state.arrays.head.mask;
    const values = row(weights, at.query);
    const name = Math.min(width * 0.3, 150);
    shown.forEach((k, place) => this.bar(pen, { token: keys[k], place, name, width, value: values[k], may: Boolean(mask.data[at.query * mask.shape[1] + k]), chosen: k === at.key, font, step }));
    const title = this.words.ui("bars_title", { token: store.label(block.queryStream, at.query) });
    this.heading.textContent = title;
    this.canvas.setAttribute("aria-label", `${title}: ${shown.map((k) => `${keys[k].text} ${values[k].toFixed(2)}`).join(", ")}`);
  }

  /** @param {CanvasRenderingContext2D} pen @param {any} bar */
  bar(pen, { token, place, name, width, value, may, chosen, font, step }) {
    const { palette } = this.store.state.colors;
    const y = (place + 0.5) * step;
    const room = width - name - font * 5;
    pen.font = `${chosen ? "600 " : ""}${font}px ${NUMBERS}`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    pen.fillStyle = chosen ? palette.key_text : palette.ink;
    pen.fillText(fitted(pen, token.text, name - 12), name - 8, y);
    pen.fillStyle = palette.sunken;
    pen.fillRect(name, y - step * 0.32, room, step * 0.64);
    pen.fillStyle = palette.weight;
    pen.globalAlpha = chosen ? 1 : 0.72;
    pen.fillRect(name, y - step * 0.32, Math.max(value > 0 ? 1 : 0, room * value), step * 0.64);
    pen.globalAlpha = 1;
    pen.textAlign = "left";
    pen.fillStyle = may ? palette.ink : palette.muted;
    pen.fillText(may ? value.toFixed(3) : this.words.ui("masked_short"), name + room + 8, y);
  }

  /** @param {MouseEvent} event */
  pick(event) {
    const { index } = this.at(event);
    const shown = this.keys();
    if (index < shown.length) this.store.select({ key: shown[index] });
  }
}
