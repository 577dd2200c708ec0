// @ts-check
/** The head in view as lines from query to key, and the active row as bars. */

import { fitted, h, sized } from "./dom.js";
import { row } from "./facts.js";
import { NUMBERS } from "./plate.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

const FAINTEST = 0.02;

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

  /** Long sentences get smaller rows, so that a view stays on one screen. */
  get step() {
    const rows = this.store.block ? Math.max(this.store.length("query"), this.store.length("key")) : 1;
    return Math.max(11, Math.min(22.75 * this.store.state.textSize, 760 / rows));
  }

  get font() {
    return Math.min(13 * this.store.state.textSize, this.step * 0.86);
  }

  /** @param {string} title */
  draw(title) {
    const { arrays, run } = this.store.state;
    if (!run || !arrays.head || !this.element.clientWidth) return;
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
    const [nq, nk] = weights.shape;
    const width = Math.min(this.element.clientWidth - 4, 620);
    const pen = sized(this.canvas, width, Math.max(nq, nk) * step);
    const { palette } = store.state.colors;
    const at = store.active;
    const side = Math.min(width * 0.36, 200);
    pen.font = `${font}px ${NUMBERS}`;
    pen.lineCap = "round";
    for (let q = 0; q < nq; q++) for (let k = 0; k < nk; k++) this.line(pen, weights.data[q * nk + k], [side, q, width - side, k], q === at.query);
    pen.globalAlpha = 1;
    pen.textBaseline = "middle";
    this.tokens(pen, block.queryStream, side - 10, "right", at.query, palette.query_text);
    this.tokens(pen, block.keyStream, width - side + 10, "left", at.key, palette.key_text);
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

  /** @param {CanvasRenderingContext2D} pen @param {string} stream @param {number} x @param {CanvasTextAlign} align @param {number} chosen @param {string} colour */
  tokens(pen, stream, x, align, chosen, colour) {
    const { palette } = this.store.state.colors;
    const isQuery = align === "right";
    this.store.tokens(stream).forEach((token, i) => {
      pen.textAlign = align;
      pen.fillStyle = i === chosen ? colour : palette.ink;
      pen.font = `${i === chosen ? "600 " : ""}${this.font}px ${NUMBERS}`;
      const text = isQuery ? this.store.label(stream, i) : token.text;
      pen.fillText(fitted(pen, text, isQuery ? x - 4 : 180), x, (i + 0.5) * this.step);
    });
  }

  /** @param {MouseEvent} event */
  pick(event) {
    const { x, index } = this.at(event);
    const axis = x < this.canvas.clientWidth / 2 ? "query" : "key";
    if (index < this.store.length(axis)) this.store.select({ [axis]: index });
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
    const width = Math.min(this.element.clientWidth - 4, 620);
    const pen = sized(this.canvas, width, keys.length * step);
    const mask = store.state.arrays.head.mask;
    const values = row(weights, at.query);
    const name = Math.min(width * 0.3, 150);
    keys.forEach((token, k) => this.bar(pen, { token, k, name, width, value: values[k], may: Boolean(mask.data[at.query * mask.shape[1] + k]), chosen: k === at.key, font, step }));
    const title = this.words.ui("bars_title", { token: store.label(block.queryStream, at.query) });
    this.heading.textContent = title;
    this.canvas.setAttribute("aria-label", `${title}: ${keys.map((token, k) => `${token.text} ${values[k].toFixed(2)}`).join(", ")}`);
  }

  /** @param {CanvasRenderingContext2D} pen @param {any} bar */
  bar(pen, { token, k, name, width, value, may, chosen, font, step }) {
    const { palette } = this.store.state.colors;
    const y = (k + 0.5) * step;
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
    if (index < this.store.length("key")) this.store.select({ key: index });
  }
}
