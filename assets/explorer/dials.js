// @ts-check
/** Pairs of numbers as arrows that turn: sines of a position some steps on, or a query and a key moved on together. */

import { SHIFTS } from "./address.js";
import { h, sized } from "./dom.js";
import { facts, frequencyOf, pairOf, row } from "./facts.js";
import { omega, turnedTo } from "./places.js";
import { NUMBERS } from "./plate.js";
import { arrow, circle } from "./rotation.js";

/** So many pairs are shown; of more, some from the fastest to the slowest, and the chosen one. */
const SHOWN = 12;

/** @typedef {{pair: number, channel: number, frequency: number, from: number[], to: number[], second: boolean}} Dial */

export class Dials {
  /** @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
  constructor(store, words) {
    this.store = store;
    this.words = words;
    this.slider = /** @type {HTMLInputElement} */ (h("input", { type: "range", min: 0, max: SHIFTS, step: 1, dataset: { id: "shift" }, on: { input: () => store.select({ shift: Number(this.slider.value) }) } }));
    /** The pair beside the usual ones that was chosen last, by stage: it stays when another is chosen. @type {Record<string, number>} */
    this.besides = {};
    this.said = h("p", { class: "dials-said" });
    this.grid = h("div", { class: "dials", role: "group" });
    this.name = h("span", {});
    this.element = h("div", { class: "dials-panel" }, h("label", { class: "dials-shift" }, this.name, this.slider), this.said, this.grid);
  }

  get steps() {
    return this.store.stage.id === "step";
  }

  /** Set the arrows, the slider and the sentence. */
  update() {
    const { store, words } = this;
    const { arrays, selection, colors } = store.state;
    if (!colors || !(this.steps ? arrays.positions?.encoding : arrays.head?.angle)) return;
    const said = facts(store);
    const name = this.steps ? "step" : "turning";
    this.name.textContent = words.ui(`${name}_shift`, said);
    this.slider.setAttribute("aria-label", this.name.textContent);
    this.slider.value = String(selection.shift);
    this.said.textContent = words.ui(`${name}_said`, said).replace(/[«»]/g, "");
    this.grid.setAttribute("aria-label", words.ui(`${name}_pairs`));
    const dials = this.dials();
    while (this.grid.children.length > dials.length) this.grid.lastChild?.remove();
    dials.forEach((dial, i) => this.show(this.slot(i), dial));
  }

  /** The nth button of the grid. @param {number} i */
  slot(i) {
    if (!this.grid.children[i]) this.grid.append(h("button", { type: "button", class: "dial" }, h("canvas", { "aria-hidden": "true" }), h("span", { class: "dial-says" })));
    return /** @type {HTMLButtonElement} */ (this.grid.children[i]);
  }

  /** @param {HTMLButtonElement} button @param {Dial} dial */
  show(button, dial) {
    const { store, words } = this;
    const chosen = this.chosen() === dial.pair;
    const size = 88 * store.state.textSize;
    const pen = sized(/** @type {HTMLCanvasElement} */ (button.firstChild), size, size);
    const { palette } = store.state.colors;
    const [centre, radius] = [size / 2, size / 2 - 6];
    const most = Math.max(Math.hypot(dial.from[0], dial.from[1]), Math.hypot(dial.to[0], dial.to[1]), 1e-9);
    const tip = (/** @type {number[]} */ [x, y]) => [centre + (x / most) * radius, centre - (y / most) * radius];
    pen.font = `11px ${NUMBERS}`;
    circle(pen, centre, centre, radius, palette.line);
    arrow(pen, [centre, centre], tip(dial.from), dial.second ? palette.key_text : palette.muted);
    arrow(pen, [centre, centre], tip(dial.to), palette.query_text);
    const caption = words.ui("dial", { pair: dial.pair, frequency: dial.frequency, wave: (2 * Math.PI) / Math.abs(dial.frequency) });
    /** @type {HTMLElement} */ (button.lastChild).textContent = caption.replaceAll(" · ", "\n");
    button.setAttribute("aria-pressed", String(chosen));
    button.dataset.pair = String(dial.pair);
    button.title = words.ui("dial_title", { angle: (Math.atan2(dial.to[1], dial.to[0]) * 180) / Math.PI });
    button.onclick = () => store.select(this.steps ? { dimension: dial.channel } : { channel: dial.channel });
  }

  /** The pair of the chosen dimension or channel. */
  chosen() {
    const { selection, arrays } = this.store.state;
    return this.steps ? Math.floor(selection.dimension / 2) : Math.max(0, pairOf(arrays.head, selection.channel));
  }

  /** @returns {Dial[]} */
  dials() {
    const { arrays } = this.store.state;
    return this.steps ? this.stepped(arrays.positions.encoding) : this.turned(arrays.head);
  }

  /** Which pairs are shown. @param {number} count */
  pairs(count) {
    const some = new Set(Array.from({ length: Math.min(count, SHOWN) }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, Math.min(count, SHOWN) - 1))));
    if (!some.has(this.chosen())) this.besides[this.store.stage.id] = this.chosen();
    return [...some.add(this.besides[this.store.stage.id] ?? 0)].filter((pair) => pair < count).sort((a, b) => a - b);
  }

  /** The row of the chosen position, cosine across and sine up, and the row some steps on. @param {import("./store.js").Tensor} encoding */
  stepped(encoding) {
    const { active } = this.store;
    const own = row(encoding, Math.min(active.query, encoding.shape[0] - 1));
    return this.pairs(encoding.shape[1] / 2).map((pair) => {
      const frequency = omega(2 * pair, encoding.shape[1]);
      const [sine, cosine] = [own[2 * pair], own[2 * pair + 1]];
      const [along, across] = [Math.cos(active.shift * frequency), Math.sin(active.shift * frequency)];
      return { pair, channel: 2 * pair, frequency, second: false, from: [cosine, sine], to: [cosine * along - sine * across, sine * along + cosine * across] };
    });
  }

  /** Query and key, both moved on. @param {import("./store.js").Bundle} head */
  turned(head) {
    const at = this.store.active;
    const query = turnedTo(head, row(head.query_made, at.query), at.query + at.shift);
    const key = turnedTo(head, row(head.key_made, at.key), at.key + at.shift);
    return this.pairs(head.pair.shape[0]).map((pair) => {
      const [a, b] = row(head.pair, pair);
      return { pair, channel: a, frequency: frequencyOf(head, pair), second: true, from: [key[a], key[b]], to: [query[a], query[b]] };
    });
  }
}
