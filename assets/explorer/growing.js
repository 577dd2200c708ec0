// @ts-check
/** The attention of one head while a text grows: one row per position, the new one at the bottom. */

import { fitted, h, sized } from "./dom.js";
import { NUMBERS } from "./plate.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

/** Of a long text the rows and columns nearest to the new row are shown. */
const MANY = 40;

export class Growing {
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
    this.heading = h("h2", {});
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { role: "img" }));
    this.hint = h("p", { class: "hint" });
    element.append(this.heading, this.canvas, this.hint);
    /** @type {any} */
    this.said = null;
    this.step = 0;
    this.of = "";
    /** @type {import("./store.js").Bundle | null} */
    this.head = null;
    new ResizeObserver(() => this.draw()).observe(element);
  }

  /** @param {any} said @param {number} step */
  show(said, step) {
    this.said = said;
    this.step = step;
    this.look();
  }

  /** The block in view, or the last one that reads what is written. @returns {any} */
  get block() {
    const { selection } = this.store.state;
    const own = this.said.run.blocks.filter((/** @type {any} */ each) => each.queryStream === this.said.stream && each.heads);
    return own.find((/** @type {any} */ each) => each.name === selection.block) ?? own[own.length - 1];
  }

  /** Fetch the head in view, once, and draw. */
  look() {
    const { said, block } = this.said ? this : { said: null, block: null };
    if (!said) return;
    this.element.hidden = !block;
    if (!block) return;
    const head = block.name === this.store.state.selection.block ? Math.min(this.store.state.selection.head, block.heads - 1) : 0;
    const place = `${said.run.key} ${block.name} ${head}`;
    if (place === this.of) return this.draw();
    this.of = place;
    this.head = null;
    this.tried(async () => {
      const found = await this.data.bundle(said.run.key, `head/${block.name}/${head}`);
      if (this.of !== place) return;
      this.head = found;
      this.heading.textContent = this.words.ui("generate_rows_title", { block: this.words.block(block.name), head });
      this.draw();
    });
  }

  draw() {
    const { said, head, step } = this;
    if (!said || !head || !this.element.clientWidth || !this.store.state.colors) return;
    const { block } = this;
    const last = said.steps[step].position;
    const crossing = block.keyStream !== said.stream;
    const first = Math.max(0, last + 1 - MANY);
    const keys = said.run.tokens[block.keyStream].length;
    const from = crossing ? 0 : first;
    const to = crossing ? Math.min(keys, MANY) : last + 1;
    this.paint({ head, said, block, rows: [first, last + 1], columns: [from, to] });
    const row = Array.from({ length: keys }, (_, k) => head.weights.data[last * keys + k]);
    const best = row.indexOf(Math.max(...row));
    const facts = { token: said.run.tokens[said.stream][last].text, best: said.run.tokens[block.keyStream][best].text, weight: row[best] };
    this.hint.textContent = this.words.ui("generate_rows_hint", facts);
    this.heading.textContent = this.words.ui("generate_rows_title", { block: this.words.block(block.name), head: this.of.split(" ")[2] });
    this.canvas.setAttribute("aria-label", `${this.heading.textContent}. ${this.hint.textContent}`);
  }

  /** @param {{head: import("./store.js").Bundle, said: any, block: any, rows: number[], columns: number[]}} given */
  paint({ head, said, block, rows, columns }) {
    const { colors, textSize } = this.store.state;
    const font = 12.5 * textSize;
    const [count, across] = [rows[1] - rows[0], columns[1] - columns[0]];
    const side = Math.min(130 * textSize, this.element.clientWidth * 0.3);
    const cell = Math.max(11, Math.min(30 * textSize, (Math.min(this.element.clientWidth, 640) - side - 8) / across, 460 / count));
    const top = 84 * textSize;
    const pen = sized(this.canvas, side + across * cell + 4, top + count * cell + 4);
    const texts = (/** @type {string} */ stream) => said.run.tokens[stream].map((/** @type {any} */ token) => token.text);
    const [queries, keys] = [texts(said.stream), texts(block.keyStream)];
    pen.textBaseline = "middle";
    for (let r = 0; r < count; r++) {
      const query = rows[0] + r;
      const isNew = r === count - 1;
      pen.font = `${isNew ? "600 " : ""}${Math.min(font, cell * 0.86)}px ${NUMBERS}`;
      pen.fillStyle = isNew ? colors.palette.query_text : query > said.first ? colors.palette.ink : colors.palette.muted;
      pen.textAlign = "right";
      pen.fillText(fitted(pen, queries[query], side - 12), side - 6, top + (r + 0.5) * cell);
      for (let c = 0; c < across; c++) {
        const key = columns[0] + c;
        if (block.keyStream === said.stream && key > query) continue; // not written yet
        pen.fillStyle = colors.of("weight", head.weights.data[query * head.weights.shape[1] + key], 1);
        pen.fillRect(side + c * cell + 0.5, top + r * cell + 0.5, cell - 1, cell - 1);
      }
    }
    pen.strokeStyle = colors.palette.query_text;
    pen.lineWidth = 2;
    const wide = block.keyStream === said.stream ? rows[1] - columns[0] : across;
    pen.strokeRect(side, top + (count - 1) * cell, wide * cell, cell);
    this.columns(pen, keys.slice(...columns), { side, top, cell, font });
  }

  /** @param {CanvasRenderingContext2D} pen @param {string[]} names @param {{side: number, top: number, cell: number, font: number}} room */
  columns(pen, names, { side, top, cell, font }) {
    pen.fillStyle = this.store.state.colors.palette.key_text;
    pen.font = `${Math.min(font, cell * 0.86)}px ${NUMBERS}`;
    pen.textAlign = "left";
    names.forEach((name, c) => {
      pen.save();
      pen.translate(side + (c + 0.5) * cell, top - 6);
      pen.rotate(-Math.PI / 2);
      pen.fillText(fitted(pen, name, top - 12), 0, 0);
      pen.restore();
    });
  }
}
