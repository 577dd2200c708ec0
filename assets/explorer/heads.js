// @ts-check
/** All heads of all blocks, small. A click opens one; the same cell is marked in each. */

import { h, segmented } from "./dom.js";

const SIZE = 40;

export class Heads {
  /** @param {HTMLElement} element @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
  constructor(element, store, words) {
    this.element = element;
    this.store = store;
    this.words = words;
    store.on(["thumbnails", "lang", "colors"], () => this.draw());
    store.on(["selection", "hover", "pinned"], () => this.mark());
  }

  draw() {
    const { run, thumbnails } = this.store.state;
    if (!run || !thumbnails) return;
    this.element.setAttribute("aria-label", this.words.ui("heads"));
    const groups = ["decoder", "encoder"].map((stream) => h("section", { class: "stack" },
      ...run.blocks.filter((/** @type {any} */ b) => b.queryStream === stream).reverse().map((/** @type {any} */ block) => this.row(block))));
    const [decoder, encoder] = groups;
    this.chooser = h("div", { class: "chooser" });
    this.element.replaceChildren(this.chooser, h("h2", {}, this.words.ui("heads")), decoder, encoder, h("p", { class: "hint" }, this.words.ui("heads_hint")));
    this.mark();
  }

  /** Block and head by name. */
  choose() {
    const { run, selection, lang } = this.store.state;
    const shape = `${run.key} ${selection.block} ${selection.head} ${lang}`;
    if (!this.chooser || this.chooser.dataset.shape === shape) return;
    this.chooser.dataset.shape = shape;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const name = this.chooser.contains(focused) ? focused?.tagName.toLowerCase() : "";
    const options = run.blocks.map((/** @type {any} */ block) => h("option", { value: block.name, selected: block.name === selection.block }, this.words.block(block.name)));
    const select = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": this.words.ui("block"), dataset: { id: "block" } }, ...options));
    const block = (/** @type {string} */ wanted) => run.blocks.find((/** @type {any} */ each) => each.name === wanted);
    select.addEventListener("change", () => open(this.store, block(select.value), Math.min(selection.head, block(select.value).heads - 1)));
    const heads = Array.from({ length: this.store.block.heads }, (_, head) => ({ id: String(head), text: String(head) }));
    const head = segmented({ label: this.words.ui("head"), value: String(selection.head), options: heads, onChange: (id) => open(this.store, this.store.block, Number(id)) });
    this.chooser.replaceChildren(select, head);
    if (name) /** @type {HTMLElement | null} */ (this.chooser.querySelector(name === "select" ? "select" : "[aria-checked=true]"))?.focus();
  }

  /** @param {any} block */
  row(block) {
    const buttons = Array.from({ length: block.heads }, (_, head) => this.thumbnail(block, head));
    return h("div", { class: "block-row", dataset: { block: block.name } }, h("h3", {}, this.words.block(block.name)), h("div", { class: "thumbs" }, ...buttons));
  }

  /** @param {any} block @param {number} head */
  thumbnail(block, head) {
    const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
    this.paint(canvas, block, head);
    const guided = block.guided[head];
    const name = `${this.words.block(block.name)} · ${this.words.ui("head_n", { head })}`;
    const title = guided ? `${name} · ${this.words.ui(`guided_${guided}`)}` : name;
    return h("button", {
      type: "button", class: "thumb", title, "aria-label": title, dataset: { head, block: block.name },
      on: { click: () => open(this.store, block, head) },
    }, canvas, h("span", { class: "mark", hidden: true }), h("span", { class: "number" }, guided ? `${head} ◎` : String(head)));
  }

  /** @param {HTMLCanvasElement} canvas @param {any} block @param {number} head */
  paint(canvas, block, head) {
    const { thumbnails, colors } = this.store.state;
    const [, rows, cols] = thumbnails[block.name].shape;
    const data = thumbnails[block.name].data.subarray(head * rows * cols, (head + 1) * rows * cols);
    const ramp = colors.ramp("weight").map((/** @type {string} */ colour) => (colour.match(/\d+/g) ?? []).map(Number));
    const image = new ImageData(cols, rows);
    for (let i = 0; i < rows * cols; i++) image.data.set([...ramp[data[i]], 255], 4 * i);
    Object.assign(canvas, { width: cols, height: rows });
    canvas.getContext("2d")?.putImageData(image, 0, 0); // one pixel a cell; the style sheet enlarges it, unblurred
  }

  mark() {
    const { selection, run } = this.store.state;
    if (!run) return;
    this.choose();
    const at = this.store.active;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll(".thumb"))) {
      const { block, head } = button.dataset;
      const open = block === selection.block && Number(head) === selection.head;
      button.setAttribute("aria-pressed", String(open));
      this.cross(/** @type {HTMLElement} */ (button.querySelector(".mark")), block ?? "", at);
    }
  }

  /** The active cell in a thumbnail, where its block has the same two streams. @param {HTMLElement} mark @param {string} name @param {any} at */
  cross(mark, name, at) {
    const { run } = this.store.state;
    const here = this.store.block;
    const block = run.blocks.find((/** @type {any} */ b) => b.name === name);
    mark.hidden = block.queryStream !== here.queryStream || block.keyStream !== here.keyStream;
    if (mark.hidden) return;
    const [w, hgt] = [SIZE / this.store.tokens(block.keyStream).length, SIZE / this.store.tokens(block.queryStream).length];
    Object.assign(mark.style, { left: `${at.key * w}px`, top: `${at.query * hgt}px`, width: `${w}px`, height: `${hgt}px` });
  }
}

/**
 * Open a head; the query and key stay where they are, as far as the block has them.
 * @param {import("./store.js").Store} store @param {any} block @param {number} head
 */
export function open(store, block, head) {
  const { run, selection } = store.state;
  const last = (/** @type {string} */ part) => run.tokens[block[`${part}Stream`]].length - 1;
  store.select({ block: block.name, head, query: Math.min(selection.query, last("query")), key: Math.min(selection.key, last("key")) });
  store.set({ hover: null });
}
