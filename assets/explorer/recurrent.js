// @ts-check
/** The recurrent networks before the Transformer: the facts of one unit, and the curve of what length costs. */

import { h, sized } from "./dom.js";
import { cell } from "./facts.js";
import { NUMBERS } from "./plate.js";

/** @typedef {import("./store.js").Store} Store */

const NUMBERS_OF = ["word_reset", "carried_reset", "reset", "word_update", "carried_update", "update", "word_candidate", "carried_candidate", "candidate", "before", "state"];

/** Every fact of a unit of the network in view; `viz/recurrent.py` is the reference. @param {Store} store @param {import("./store.js").Bundle} head @param {import("./store.js").Selection} at */
export function unitFacts(store, head, at) {
  const unit = Math.min(at.channel, head.state.shape[1] - 1);
  const said = Object.fromEntries(NUMBERS_OF.map((name) => [name, cell(head[name], at.query, unit)]));
  const source = store.tokens("encoder");
  const { update, candidate, before } = said;
  return {
    ...said, channel: at.stage === "embedding" ? at.dimension : unit, units: head.state.shape[1], last_token: source[source.length - 1]?.text,
    context: head.context_vector ? cell(head.context_vector, at.query, unit) : 0, kept_percent: 100 * update,
    new_part: (1 - update) * candidate, kept_part: update * before,
  };
}

/** Share of sources translated exactly, by their length: the recurrent models side by side. */
export class Curve {
  /** @param {HTMLElement} element @param {Store} store @param {import("./words.js").Words} words */
  constructor(element, store, words) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.heading = h("h2", {});
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { role: "img" }));
    this.hint = h("p", { class: "hint" });
    element.append(this.heading, this.canvas, this.hint);
    store.on(["run", "arrays", "colors", "lang", "textSize"], () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
  }

  draw() {
    const { run, config, colors, textSize } = this.store.state;
    const curves = config.lengths.filter((/** @type {any} */ curve) => curve.points.length);
    this.element.hidden = !run || !colors || !curves.some((/** @type {any} */ curve) => curve.model === run.model.name);
    if (this.element.hidden || !this.element.clientWidth) return;
    const font = 12.5 * textSize;
    const [width, height] = [Math.min(this.element.clientWidth - 4, 620), font * 17];
    const room = { left: font * 3.2, top: font * 1.2, width: width - font * 5, height: height - font * 5.2, font };
    const pen = sized(this.canvas, width, height);
    this.heading.textContent = this.words.ui("curve_title");
    this.hint.textContent = this.words.ui("curve_hint", { n: Math.min(...curves.flatMap((/** @type {any} */ curve) => curve.points.map((/** @type {any} */ point) => point.n))) });
    this.frame(pen, room, curves[0].points.map((/** @type {any} */ point) => point.words));
    for (const curve of curves) this.line(pen, room, curve, curve.model === run.model.name);
    this.legend(pen, room, curves);
    this.canvas.setAttribute("aria-label", curves.map((/** @type {any} */ curve) => `${this.name(curve)}: ${curve.points.map((/** @type {any} */ point) => `${point.words} ${point.exact.toFixed(2)}`).join(", ")}`).join("; "));
  }

  /** @param {any} curve */
  name(curve) {
    const name = this.words.ui(`curve_${curve.model.replace("/", "_").replaceAll("-", "_")}`);
    return curve.reading ? `${name}, ${this.words.ui("reading_reversed")}` : name;
  }

  /** @param {any} curve */
  colour(curve) {
    const { palette } = this.store.state.colors;
    return curve.model.endsWith("attention") ? palette.weight : palette.key;
  }

  /** Where a point stands. @param {any} room @param {number} i @param {number} count @param {number} share @returns {[number, number]} */
  place(room, i, count, share) {
    return [room.left + ((i + 0.5) / count) * room.width, room.top + (1 - share) * room.height];
  }

  /** Axes, with a line at each quarter. @param {CanvasRenderingContext2D} pen @param {any} room @param {string[]} lengths */
  frame(pen, room, lengths) {
    const { palette } = this.store.state.colors;
    pen.font = `${room.font * 0.9}px ${NUMBERS}`;
    pen.textBaseline = "middle";
    pen.lineWidth = 1;
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const y = room.top + (1 - share) * room.height;
      pen.fillStyle = palette.line;
      pen.fillRect(room.left, y, room.width, 1);
      pen.fillStyle = palette.muted;
      pen.textAlign = "right";
      pen.fillText(`${100 * share}%`, room.left - 6, y);
    }
    pen.textAlign = "center";
    lengths.forEach((words, i) => pen.fillText(words.replace("-", "–"), this.place(room, i, lengths.length, 0)[0], room.top + room.height + room.font));
    pen.fillText(this.words.ui("curve_axis"), room.left + room.width / 2, room.top + room.height + room.font * 2.2);
  }

  /** @param {CanvasRenderingContext2D} pen @param {any} room @param {any} curve @param {boolean} chosen */
  line(pen, room, curve, chosen) {
    const { points, reading } = curve;
    pen.strokeStyle = pen.fillStyle = this.colour(curve);
    pen.lineWidth = chosen ? 2.5 : 1.25;
    pen.setLineDash(reading ? [5, 4] : []);
    pen.beginPath();
    points.forEach((/** @type {any} */ point, /** @type {number} */ i) => pen.lineTo(...this.place(room, i, points.length, point.exact)));
    pen.stroke();
    pen.setLineDash([]);
    if (reading) return;
    points.forEach((/** @type {any} */ point, /** @type {number} */ i) => {
      const [x, y] = this.place(room, i, points.length, point.exact);
      pen.beginPath();
      pen.arc(x, y, chosen ? 4 : 3, 0, 7);
      pen.fill();
    });
  }

  /** Names, in the colours of the lines, each with a stroke of its own. @param {CanvasRenderingContext2D} pen @param {any} room @param {any[]} curves */
  legend(pen, room, curves) {
    let x = room.left;
    const y = room.top + room.height + room.font * 3.5;
    pen.textAlign = "left";
    for (const curve of curves.filter((each) => !each.reading)) {
      const name = this.name(curve);
      pen.fillStyle = this.colour(curve);
      pen.fillRect(x, y - 1, room.font * 1.6, 2.5);
      pen.fillStyle = this.store.state.colors.palette.ink;
      pen.fillText(name, x + room.font * 2, y);
      x += room.font * 3.4 + pen.measureText(name).width;
    }
  }
}
