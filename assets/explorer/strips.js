// @ts-check
/** Strips: source and target tokens, the stages of the walk, and the token table of the first stage. */

import { h, sized } from "./dom.js";
import { ofRow } from "./likely.js";
import { Picture } from "./picture.js";
import { drawPlate, limitOf } from "./plate.js";
import { isMask } from "./readings.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

/** Move the focus and the choice along a row of buttons. @param {KeyboardEvent} event @param {(by: number) => void} move */
export function arrows(event, move) {
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  move(by);
}

export class TokenStrips {
  /** @param {HTMLElement} element @param {HTMLElement} pictures where images stand @param {Store} store @param {Words} words */
  constructor(element, pictures, store, words) {
    this.element = element;
    this.pictures = pictures;
    this.store = store;
    this.words = words;
    this.shape = "";
    store.on(["run", "lang", "selection"], () => this.draw());
    store.on(["hover", "pinned"], () => this.mark());
  }

  /** What a token of a stream is in the block in view. @param {string} stream @returns {string[]} */
  parts(stream) {
    const { block } = this.store;
    return (block.kind === "recurrent" ? ["query"] : ["query", "key"]).filter((part) => block[`${part}Stream`] === stream);
  }

  draw() {
    const { store } = this;
    if (!store.state.run || !store.block) return;
    const shape = `${store.state.run.key} ${store.state.lang} ${store.block.name}`;
    if (shape !== this.shape) {
      const streams = Object.keys(store.state.run.tokens).filter((stream) => this.parts(stream).length || !store.isPatches(stream));
      const seen = (/** @type {string} */ stream) => store.isPatches(stream) && store.state.picture;
      this.element.replaceChildren(...streams.filter((stream) => !seen(stream)).map((stream) => this.strip(stream)));
      this.pictures.replaceChildren(...streams.filter(seen).map((stream) => new Picture(store, this.words, stream).element));
    }
    this.shape = shape;
    this.mark();
  }

  /** @param {string} stream */
  strip(stream) {
    const parts = this.parts(stream);
    const name = this.words.stream(stream);
    const tokens = this.store.tokens(stream);
    const pair = tokens.some((token) => token.segment > 0);
    const buttons = tokens.flatMap((token, index) => {
      const first = pair && token.segment !== tokens[index - 1]?.segment;
      return [first ? h("span", { class: "segment-name" }, this.sentence(token)) : null, this.token(stream, token, index, parts)];
    }).filter((node) => node !== null);
    return h("div", { class: `strip ${parts.length ? "" : "idle"}`, dataset: { stream } },
      h("span", { class: "strip-name" }, name),
      h("div", { class: "tokens", role: "listbox", "aria-label": name, on: { keydown: (/** @type {KeyboardEvent} */ e) => arrows(e, (by) => this.move(stream, by)) } }, ...buttons));
  }

  /** To which sentence of a pair a token belongs. @param {any} token */
  sentence(token) {
    return this.words.ui(token.segment ? "segment_b" : "segment_a");
  }

  /** @param {string} stream @param {any} token @param {number} index @param {string[]} parts */
  token(stream, token, index, parts) {
    const predicted = this.store.predicted(stream, index);
    const predicts = predicted ? h("span", { class: "predicts", title: this.words.ui("predicts_title") }, `→ ${predicted}`) : null;
    return h("button", {
      type: "button", role: "option", class: `token ${token.unknown ? "unknown" : ""} ${token.special ? "special" : ""} ${predicted && isMask(token) ? "hidden-word" : ""} ${token.segment > 0 ? "second" : ""}`,
      dataset: { index }, tabindex: index ? -1 : 0, disabled: !parts.length, title: this.title(token, index),
      on: { click: (/** @type {MouseEvent} */ event) => this.choose(stream, index, event.shiftKey) },
    }, h("span", { class: "reads" }, token.text), predicts);
  }

  /** @param {any} token @param {number} index */
  title(token, index) {
    const notes = [String(index), token.text, ...(token.id < 0 || token.row >= 0 ? [] : [`id ${token.id}`])];
    if (token.segment >= 0) notes.push(this.sentence(token));
    if (token.unknown) notes.push(this.words.ui("unknown_title"));
    if (token.whole) notes.push(this.words.ui("piece_title", { whole: token.whole }));
    if (token.bytes) notes.push(this.words.ui("bytes_title", { bytes: token.bytes }));
    return notes.join(" · ");
  }

  /** In self-attention a click chooses the query, with Shift the key. @param {string} stream @param {number} index @param {boolean} shift */
  choose(stream, index, shift) {
    const parts = this.parts(stream);
    const part = parts.length === 2 ? (shift ? "key" : "query") : parts[0];
    if (!part) return;
    this.store.select({ [part]: index });
    this.store.set({ hover: null });
  }

  /** @param {string} stream @param {number} by */
  move(stream, by) {
    const part = this.parts(stream)[0];
    if (!part) return;
    const length = this.store.tokens(stream).length;
    const index = Math.max(0, Math.min(length - 1, /** @type {any} */ (this.store.active)[part] + by));
    this.choose(stream, index, false);
    /** @type {HTMLElement | null} */ (this.element.querySelector(`[data-stream="${stream}"] [data-index="${index}"]`))?.focus();
  }

  mark() {
    const { store } = this;
    if (!store.block) return;
    const at = store.active;
    for (const strip of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll(".strip"))) {
      const parts = this.parts(strip.dataset.stream ?? "");
      for (const button of /** @type {NodeListOf<HTMLElement>} */ (strip.querySelectorAll(".token"))) {
        const index = Number(button.dataset.index);
        const is = (/** @type {string} */ part) => parts.includes(part) && /** @type {any} */ (at)[part] === index;
        button.classList.toggle("is-query", is("query"));
        button.classList.toggle("is-key", is("key"));
        button.setAttribute("aria-selected", String(is("query") || is("key")));
        if (is("query") || (is("key") && parts.length === 1)) reveal(button);
      }
    }
  }
}

/** Scroll a row of buttons, and nothing else, until this one is in view. @param {HTMLElement} button */
function reveal(button) {
  const row = /** @type {HTMLElement} */ (button.parentElement);
  const [from, to] = [button.offsetLeft - row.offsetLeft, button.offsetLeft - row.offsetLeft + button.offsetWidth];
  if (from < row.scrollLeft) row.scrollLeft = from - 24;
  else if (to > row.scrollLeft + row.clientWidth - 28) row.scrollLeft = to - row.clientWidth + 48;
}

/** The walk: one button per stage, each with the stage's own matrix drawn small. */
export class StageStrip {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words */
  constructor(element, store, words) {
    this.element = element;
    this.store = store;
    this.words = words;
    store.on(["lang", "run", "arrays", "colors"], () => this.draw());
    let shown = "";
    store.on(["selection"], () => {
      const now = `${store.state.selection.block} ${store.state.selection.tab}`;
      if (now === shown) this.mark();
      else this.draw();
      shown = now;
    });
  }

  draw() {
    const { store, words } = this;
    const focused = this.element.contains(document.activeElement);
    this.element.setAttribute("aria-label", words.ui("stages"));
    const { stages } = store;
    this.element.replaceChildren(...stages.flatMap((/** @type {any} */ stage, /** @type {number} */ i) => [
      i ? h("span", { class: "then", "aria-hidden": "true" }, "›") : null, this.button(stage, i),
    ]).filter(Boolean));
    this.mark();
    if (focused) /** @type {HTMLElement | null} */ (this.element.querySelector("[aria-selected=true]"))?.focus();
  }

  /** @param {any} stage @param {number} i */
  button(stage, i) {
    const text = this.words.of("stages", this.store.told(stage.id));
    const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
    this.icon(canvas, stage);
    return h("button", {
      type: "button", role: "tab", class: "stage", dataset: { stage: stage.id }, title: text.title,
      on: {
        click: () => this.store.select({ stage: stage.id }),
        keydown: (/** @type {KeyboardEvent} */ event) => arrows(event, (by) => this.move(i + by)),
      },
    }, canvas, h("span", {}, text.short));
  }

  /** @param {number} index */
  move(index) {
    const stage = this.store.stages[index];
    if (!stage) return;
    this.store.select({ stage: stage.id });
    /** @type {HTMLElement | null} */ (this.element.querySelector(`[data-stage="${stage.id}"]`))?.focus();
  }

  /** The stage's own output, a few pixels a cell. @param {HTMLCanvasElement} canvas @param {any} stage */
  icon(canvas, stage) {
    const { arrays, colors } = this.store.state;
    const size = 34;
    const pen = sized(canvas, size, size);
    const plates = stage.id === "qkv" ? stage.plates.slice(2) : stage.id === "rotation" ? [stage.plates[0], stage.plates[1]] : stage.plates.slice(-1);
    if (stage.id === "shared") return this.comb(pen, size);
    const found = plates.map((/** @type {any} */ plate) => (plate.bundle === "logits" ? ofRow(arrays.logits, this.store.state.selection.query) : arrays[plate.bundle] ?? arrays.head)?.[plate.array] ?? arrays.stream?.[plate.array]);
    if (/written|residual/.test(stage.id) && !found.some(Boolean)) return this.plus(pen, size, stage.id === "written");
    if (stage.id === "logits" && !found.some(Boolean)) return this.corner(pen, size);
    if (stage.id === "router" && !found.some(Boolean)) return this.chosen(pen, size);
    if (/norm|mlp/.test(stage.id) && !found.some(Boolean)) return this.sketch(pen, size, stage.id === "mlp");
    plates.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
      const tensor = found[i];
      if (!tensor) return;
      const [rows, cols] = [Math.min(tensor.shape[0], 64), Math.min(tensor.shape[1], 32)];
      const width = size / plates.length;
      const mask = arrays.head?.mask;
      const hides = ["mask", "masked_scores", "weights"].includes(plate.array);
      drawPlate(pen, {
        ...plate, tensor, x: i * width + 1, y: 1, cw: (width - 2) / cols, ch: (size - 2) / rows, rows, cols, transposed: false,
        output: false, limit: limitOf(plate.role, tensor),
        masked: hides ? (/** @type {number} */ q, /** @type {number} */ k) => !mask.data[q * mask.shape[1] + k] : null,
      }, colors);
    });
    if (!plates.length) this.letters(pen, size, stage.layout === "output");
  }

  /** Many lines that meet in a few. @param {CanvasRenderingContext2D} pen @param {number} size */
  comb(pen, size) {
    const { palette } = this.store.state.colors;
    pen.lineWidth = 1.5;
    for (const i of [0, 1, 2, 3]) {
      pen.strokeStyle = palette.query;
      pen.beginPath();
      pen.moveTo(3, 5 + i * 8);
      pen.lineTo(size - 12, i < 2 ? 10 : 25);
      pen.stroke();
      pen.fillStyle = palette.key;
      pen.fillRect(size - 12, i < 2 ? 6 : 21, 9, 8);
    }
  }

  /** What is not fetched yet: a row and a column that meet. @param {CanvasRenderingContext2D} pen @param {number} size */
  corner(pen, size) {
    const { palette } = this.store.state.colors;
    for (const [x, y, width, height, fill] of [[2, size / 2 + 2, 12, 8, palette.muted], [19, 2, 8, size / 2 - 3, palette.key], [19, size / 2 + 2, 8, 8, palette.weight]]) {
      pen.fillStyle = /** @type {string} */ (fill);
      pen.fillRect(Number(x), Number(y), Number(width), Number(height));
    }
  }

  /** Rows of which each fills another column. @param {CanvasRenderingContext2D} pen @param {number} size */
  chosen(pen, size) {
    const { palette } = this.store.state.colors;
    const cell = (size - 4) / 4;
    for (let i = 0; i < 16; i++) {
      const [row, column] = [Math.floor(i / 4), i % 4];
      pen.fillStyle = column === [1, 3, 0, 2][row] ? palette.weight : palette.line;
      pen.fillRect(2 + column * cell, 2 + row * cell, cell - 1.5, cell - 1.5);
    }
  }

  /** What is not fetched yet: narrow, wide, narrow; or a bell. @param {CanvasRenderingContext2D} pen @param {number} size @param {boolean} wide */
  sketch(pen, size, wide) {
    const { palette } = this.store.state.colors;
    pen.strokeStyle = wide ? palette.weight : palette.muted;
    pen.lineWidth = 1.5;
    pen.beginPath();
    if (wide) for (const [x, y] of [[4, 13], [size / 2, 3], [size - 4, 13], [size - 4, size - 13], [size / 2, size - 3], [4, size - 13], [4, 13]]) pen.lineTo(x, y);
    else for (let x = 3; x <= size - 3; x++) pen.lineTo(x, size - 7 - (size - 14) * Math.exp(-(((x - size / 2) / 6) ** 2) / 2));
    pen.stroke();
  }

  /** What is not fetched yet: several lines into one, or a line to which something is added. @param {CanvasRenderingContext2D} pen @param {number} size @param {boolean} many */
  plus(pen, size, many) {
    const { palette } = this.store.state.colors;
    const middle = size / 2;
    pen.lineWidth = 1.5;
    pen.strokeStyle = palette.value;
    for (const y of many ? [5, 13, 21, 29] : [size - 5]) line(pen, [[3, y], [middle, middle]]);
    pen.strokeStyle = palette.ink;
    line(pen, [[many ? middle : 3, middle], [size - 3, middle]]);
    if (many) return;
    pen.beginPath();
    pen.arc(middle, middle, 6, 0, 7);
    pen.fillStyle = palette.panel;
    pen.fill();
    pen.stroke();
    line(pen, [[middle - 3, middle], [middle + 3, middle]]);
    line(pen, [[middle, middle - 3], [middle, middle + 3]]);
  }

  /** Lines of text, or bars from long to short. @param {CanvasRenderingContext2D} pen @param {number} size @param {boolean} bars */
  letters(pen, size, bars) {
    const { palette } = this.store.state.colors;
    for (const [i, width] of (bars ? [30, 14, 8, 4] : [22, 30, 14, 26]).entries()) {
      pen.fillStyle = bars ? palette.weight : i % 2 ? palette.line : palette.muted;
      pen.beginPath();
      pen.roundRect(2, 3 + i * (size / 4), width, size / 4 - 4, 2);
      pen.fill();
    }
  }

  mark() {
    const { stage } = this.store.state.selection;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll(".stage"))) {
      const on = button.dataset.stage === stage;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
      if (on) reveal(button);
    }
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number[][]} points */
function line(pen, points) {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

/** Every token with its place, text and id. @param {Store} store @param {Words} words */
export function tokenTable(store, words) {
  const paired = store.tokens(store.block.queryStream).some((token) => token.segment >= 0);
  const head = ["position", "token", "id", ...(paired ? ["segment"] : []), "note"].map((id) => h("th", { scope: "col" }, words.ui(`column_${id}`)));
  const streams = Object.keys(store.state.run.tokens).filter((stream) => [store.block.queryStream, store.block.keyStream].includes(stream) || !store.isPatches(stream));
  const pictures = streams.filter((stream) => store.isPatches(stream) && store.state.picture);
  if (pictures.length) return h("div", { class: "tables" }, ...pictures.map((stream) => new Picture(store, words, stream, 420).element));
  const tables = streams.map((stream) => h("table", {},
    h("caption", {}, words.stream(stream)), h("thead", {}, h("tr", {}, ...head.map((th) => th.cloneNode(true)))),
    h("tbody", {}, ...store.tokens(stream).map((token, index) => tokenRow(store, words, stream, token, index)))));
  return h("div", { class: "tables" }, ...tables);
}

/** @param {Store} store @param {Words} words @param {string} stream @param {any} token @param {number} index */
function tokenRow(store, words, stream, token, index) {
  const named = `note_${token.text.replace(/[<>/]/g, "")}`;
  const special = token.special ? words.ui(named in words.texts.ui && store.state.run.model.pairs.length ? named : "note_special") : "";
  const note = token.unknown ? words.ui("note_unknown") : special || (token.whole ? words.ui("piece_title", { whole: token.whole }) : "");
  const predicted = store.predicted(stream, index);
  const predicts = predicted ? words.ui("note_predicts", { token: predicted }) : "";
  const { block, active } = store;
  const chosen = block.queryStream === stream && active.query === index ? "is-query" : block.keyStream === stream && active.key === index ? "is-key" : "";
  return h("tr", { class: chosen, on: { click: () => block.queryStream === stream ? store.select({ query: index }) : store.select({ key: index }) } },
    h("td", {}, String(index)), h("td", {}, h("span", { class: `token ${token.unknown ? "unknown" : ""}` }, token.text)),
    h("td", {}, String(token.id)), token.segment === undefined ? null : h("td", {}, "AB"[Math.min(token.segment, 1)]), h("td", { class: "note" }, [note, predicts].filter(Boolean).join(" · ")));
}
