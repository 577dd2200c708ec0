// @ts-check
/** The image as the model saw it, its patches, and how much the chosen patch looks at each of them. */

import { rgb } from "./colors.js";
import { h, sized } from "./dom.js";
import { row } from "./facts.js";

/** @typedef {import("./store.js").Store} Store */

export class Picture {
  /** @param {Store} store @param {import("./words.js").Words} words @param {string} stream @param {number} [side] in pixels */
  constructor(store, words, stream, side = 204) {
    this.store = store;
    this.words = words;
    this.stream = stream;
    const { shape } = store.state.picture.picture;
    this.scale = side / Math.max(shape[0], shape[1]);
    this.width = shape[1] * this.scale;
    this.height = shape[0] * this.scale;
    this.seen = this.photograph();
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "picture", role: "img", tabindex: 0, "aria-label": words.stream(stream) }));
    this.extras = h("div", { class: "tokens extras" }, ...this.special());
    this.said = h("p", { class: "hint" });
    this.element = h("div", { class: "strip picture-strip", dataset: { stream } },
      this.canvas, h("div", { class: "picture-side" }, h("span", { class: "strip-name" }, words.stream(stream)), this.extras, this.said));
    this.listen();
    this.draw();
  }

  listen() {
    const { canvas, store } = this;
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => store.state.hover && store.set({ hover: null }));
    canvas.addEventListener("click", (event) => this.pick(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    const stop = store.on(["selection", "hover", "pinned", "arrays", "colors"], () => (this.canvas.isConnected ? this.draw() : stop()));
  }

  /** The picture on a canvas of its own size. */
  photograph() {
    const { picture } = this.store.state.picture;
    const [height, width] = picture.shape;
    const image = new ImageData(width, height);
    for (let from = 0, to = 0; from < picture.data.length; from += 3, to += 4) image.data.set([picture.data[from], picture.data[from + 1], picture.data[from + 2], 255], to);
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    return canvas;
  }

  get tokens() {
    return this.store.tokens(this.stream);
  }

  /** Tokens that are no patch, such as the class token: buttons beside the picture. */
  special() {
    return this.tokens.map((token, index) => (token.row < 0 || token.row === undefined ? h("button", {
      type: "button", class: "token special", dataset: { index }, on: { click: () => this.store.select({ query: index }) },
    }, h("span", { class: "reads" }, token.text)) : null)).filter(Boolean);
  }

  /** @param {any} token @returns {[number, number, number, number]} */
  box(token) {
    const { rows, columns } = this.store.state.run.streams[this.stream];
    const [w, hgt] = [this.width / columns, this.height / rows];
    return [token.column * w, token.row * hgt, w, hgt];
  }

  draw() {
    const { store } = this;
    const { arrays, colors } = store.state;
    const { block } = store;
    if (!block || !store.state.picture || !store.isPatches(this.stream)) return;
    const pen = sized(this.canvas, this.width, this.height);
    pen.drawImage(this.seen, 0, 0, this.width, this.height);
    const at = store.active;
    const weights = arrays.head && block.keyStream === this.stream ? row(arrays.head.weights, at.query) : null;
    if (weights && weights.length === this.tokens.length) this.overlay(pen, weights, colors);
    this.grid(pen, colors.palette);
    const marks = [block.keyStream === this.stream ? [at.key, colors.palette.key] : null, block.queryStream === this.stream ? [at.query, colors.palette.query] : null];
    for (const mark of marks) if (mark) this.mark(pen, this.tokens[mark[0]], mark[1]);
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.extras.querySelectorAll(".token"))) {
      button.classList.toggle("is-query", block.queryStream === this.stream && Number(button.dataset.index) === at.query);
      button.classList.toggle("is-key", block.keyStream === this.stream && Number(button.dataset.index) === at.key);
    }
    const { predicts, predictions } = store.state.run;
    const answer = predicts === "class" ? `${this.words.ui("picture_answer", { answer: this.words.label(predictions[0]) })} ` : "";
    this.said.textContent = `${answer}${this.words.ui("picture_hint")}`;
  }

  /** What is looked at stays bright, the rest is veiled. @param {CanvasRenderingContext2D} pen @param {ArrayLike<number>} weights @param {any} colors */
  overlay(pen, weights, colors) {
    const most = Math.max(1e-9, ...Array.from(weights));
    const [r, g, b] = rgb(colors.palette.weight);
    this.tokens.forEach((token, i) => {
      if (!(token.row >= 0)) return;
      pen.fillStyle = `rgba(${r},${g},${b},${0.78 * (weights[i] / most)})`;
      pen.fillRect(...this.box(token));
    });
  }

  /** Thin lines between patches; thick ones between windows. @param {CanvasRenderingContext2D} pen @param {any} palette */
  grid(pen, palette) {
    const { rows, columns } = this.store.state.run.streams[this.stream];
    pen.lineWidth = 0.5;
    pen.strokeStyle = "rgba(255,255,255,0.35)";
    for (let c = 1; c < columns; c++) stroke(pen, (c * this.width) / columns, 0, (c * this.width) / columns, this.height);
    for (let r = 1; r < rows; r++) stroke(pen, 0, (r * this.height) / rows, this.width, (r * this.height) / rows);
    const windows = this.store.state.picture[`windows:${this.store.block.name}`]?.data;
    if (!windows) return;
    const place = new Map(this.tokens.map((token, i) => [`${token.row} ${token.column}`, i]));
    pen.lineWidth = 2;
    pen.strokeStyle = palette.negative;
    for (const [i, token] of this.tokens.entries()) {
      const [x, y, w, hgt] = this.box(token);
      const [right, below] = [place.get(`${token.row} ${token.column + 1}`), place.get(`${token.row + 1} ${token.column}`)];
      if (right !== undefined && windows[right] !== windows[i]) stroke(pen, x + w, y, x + w, y + hgt);
      if (below !== undefined && windows[below] !== windows[i]) stroke(pen, x, y + hgt, x + w, y + hgt);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {any} token @param {string} colour */
  mark(pen, token, colour) {
    if (!token || !(token.row >= 0)) return;
    const [x, y, w, hgt] = this.box(token);
    pen.lineWidth = 2.5;
    pen.strokeStyle = colour;
    pen.strokeRect(x + 1, y + 1, w - 2, hgt - 2);
  }

  /** The patch under the pointer. @param {MouseEvent} event */
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const { rows, columns } = this.store.state.run.streams[this.stream];
    const [c, r] = [Math.floor(((event.clientX - box.left) / box.width) * columns), Math.floor(((event.clientY - box.top) / box.height) * rows)];
    return this.tokens.findIndex((token) => token.row === r && token.column === c);
  }

  /** What a patch is chosen as: the query where the block has such queries, else the key. @param {boolean} shift */
  part(shift) {
    const { block } = this.store;
    if (block.queryStream !== this.stream) return "key";
    return shift && block.keyStream === this.stream ? "key" : "query";
  }

  /** @param {PointerEvent} event */
  point(event) {
    const index = this.under(event);
    if (index < 0 || event.pointerType === "touch" || this.store.state.pinned) return;
    const hover = { [this.part(event.shiftKey)]: index };
    if (JSON.stringify(hover) !== JSON.stringify(this.store.state.hover)) this.store.set({ hover });
  }

  /** @param {MouseEvent} event */
  pick(event) {
    const index = this.under(event);
    if (index < 0) return;
    this.store.select({ [this.part(event.shiftKey)]: index });
    this.store.set({ hover: null });
  }

  /** Arrow keys go from patch to patch. @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const part = this.part(event.shiftKey);
    const from = this.tokens[/** @type {any} */ (this.store.active)[part]];
    const [r, c] = from?.row >= 0 ? [from.row + step[0], from.column + step[1]] : [0, 0];
    const index = this.tokens.findIndex((token) => token.row === r && token.column === c);
    if (index >= 0) this.store.select({ [part]: index });
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function stroke(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
