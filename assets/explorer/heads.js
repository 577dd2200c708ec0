// @ts-check
/** All heads of all blocks, small. A click opens one; the same cell is marked in each. */

import { h, segmented } from "./dom.js";

/** Side of a thumbnail in pixels, by the number of heads of a block: few are drawn large. @param {number} heads */
const sideOf = (heads) => (heads <= 8 ? 40 : heads <= 12 ? 26 : 18);

/** How many stand in a row. @param {number} heads */
const inRow = (heads) => (heads <= 8 ? 4 : heads <= 12 ? 6 : 8);

/** From so many heads on only the open one shows where the chosen cell is. */
const MANY = 48;

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
    const tower = (/** @type {any} */ block) => block.name.split(".")[0];
    const towers = [...new Set(run.blocks.map(tower))].reverse();
    const groups = towers.map((name) => h("section", { class: "stack" },
      ...run.blocks.filter((/** @type {any} */ b) => tower(b) === name).reverse().map((/** @type {any} */ block) => this.row(block))));
    this.chooser = h("div", { class: "chooser" });
    this.many = run.blocks.reduce((/** @type {number} */ total, /** @type {any} */ block) => total + block.heads, 0) > MANY;
    const pooled = run.blocks.some((/** @type {any} */ block) => block.heads && thumbnails[block.name].shape[2] < run.tokens[block.keyStream].length);
    const networks = run.blocks.some((/** @type {any} */ block) => !block.heads);
    const attends = run.blocks.some((/** @type {any} */ block) => block.heads);
    const hints = [networks ? "networks_hint" : "", attends ? "heads_hint" : "", pooled ? "heads_pooled" : "", run.model.guided.length ? "heads_guided" : ""].filter(Boolean);
    this.element.replaceChildren(this.chooser, h("h2", {}, this.words.ui(networks ? "networks" : "heads")), ...groups, ...hints.map((id) => h("p", { class: "hint" }, this.words.ui(id))));
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
    select.addEventListener("change", () => open(this.store, block(select.value), Math.max(0, Math.min(selection.head, block(select.value).heads - 1))));
    this.chooser.replaceChildren(select, this.store.block.heads ? this.headChooser(selection.head) : "");
    if (name) /** @type {HTMLElement | null} */ (this.chooser.querySelector(name === "select" ? "select" : "[aria-checked=true]"))?.focus();
  }

  /** Buttons for a few heads, a list for many. @param {number} chosen */
  headChooser(chosen) {
    const { heads } = this.store.block;
    const label = this.words.ui("head");
    const go = (/** @type {string} */ id) => open(this.store, this.store.block, Number(id));
    const ids = Array.from({ length: heads }, (_, head) => String(head));
    if (heads <= 4) return segmented({ label, value: String(chosen), options: ids.map((id) => ({ id, text: id })), onChange: go });
    const list = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": label, class: "short", dataset: { id: "head" }, on: { change: () => go(list.value) } },
      ...ids.map((id) => h("option", { value: id, selected: id === String(chosen) }, id))));
    return list;
  }

  /** @param {any} block */
  row(block) {
    const buttons = Array.from({ length: block.heads || 1 }, (_, head) => this.thumbnail(block, head));
    const size = sideOf(block.heads);
    return h("div", { class: "block-row", dataset: { block: block.name } }, h("h3", {}, this.words.block(block.name)),
      h("div", { class: size < 40 ? "thumbs small" : "thumbs", style: `--thumb: ${size}px; --in-row: ${inRow(block.heads)}` }, ...buttons));
  }

  /** @param {any} block @param {number} head */
  thumbnail(block, head) {
    const canvas = thumbnail(this.store, block, head);
    const guided = block.guided[head];
    const name = block.heads ? `${this.words.block(block.name)} · ${this.words.ui("head_n", { head })}` : this.words.block(block.name);
    const title = guided ? `${name} · ${this.words.ui(`guided_${guided}`)}` : name;
    return h("button", {
      type: "button", class: "thumb", title, "aria-label": title, dataset: { head, block: block.name },
      on: { click: () => open(this.store, block, head) },
    }, canvas, h("span", { class: "mark", hidden: true }), h("span", { class: "number" }, guided ? `${head} ◎` : block.heads ? String(head) : "h"));
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
    const other = this.many && mark.parentElement?.getAttribute("aria-pressed") !== "true";
    mark.hidden = other || !block.heads || !here.heads || block.queryStream !== here.queryStream || block.keyStream !== here.keyStream;
    if (mark.hidden) return;
    const side = sideOf(block.heads);
    const [w, hgt] = [side / this.store.tokens(block.keyStream).length, side / this.store.tokens(block.queryStream).length];
    Object.assign(mark.style, { left: `${at.key * w}px`, top: `${at.query * hgt}px`, width: `${w}px`, height: `${hgt}px` });
  }
}

/** One head's weights, a pixel a cell; the style sheet enlarges it, unblurred. @param {import("./store.js").Store} store @param {any} block @param {number} head */
export function thumbnail(store, block, head) {
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
  const { thumbnails, colors } = store.state;
  const [, rows, cols] = thumbnails[block.name].shape;
  const data = thumbnails[block.name].data.subarray(head * rows * cols, (head + 1) * rows * cols);
  const ramp = colors.bytes(block.heads ? "weight" : "stream");
  const image = new ImageData(cols, rows);
  for (let i = 0, to = 0; i < rows * cols; i++, to += 4) {
    image.data[to] = ramp[3 * data[i]];
    image.data[to + 1] = ramp[3 * data[i] + 1];
    image.data[to + 2] = ramp[3 * data[i] + 2];
    image.data[to + 3] = 255;
  }
  Object.assign(canvas, { width: cols, height: rows });
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
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
