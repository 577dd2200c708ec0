// @ts-check
/** Marks over a figure: the chosen cell with what it is made from, and lines from a row and a column to their product. */

import { PART } from "./store.js";

/** @typedef {import("./scenes.js").Scene} Scene */

/** @param {CanvasRenderingContext2D} pen @param {any} plate @param {any} at @param {string[]} axes @param {any} palette @param {boolean} strong */
export function outline(pen, plate, at, axes, palette, strong) {
  const on = (/** @type {number} */ i) => (axes.includes(plate.axes[i]) ? at[PART[/** @type {"query"} */ (plate.axes[i])]] ?? null : null);
  const row = on(0) == null ? null : Math.min(on(0), plate.rows - 1);
  const column = on(1) == null ? null : Math.min(on(1), plate.cols - 1);
  const x = plate.x + (column ?? 0) * plate.cw;
  const y = plate.y + (row ?? 0) * plate.ch;
  const width = (column == null ? plate.cols : 1) * plate.cw;
  const height = (row == null ? plate.rows : 1) * plate.ch;
  pen.lineWidth = strong ? 2 : 1;
  const pad = strong ? 1.5 : 0.5;
  pen.strokeStyle = palette.panel;
  pen.strokeRect(x - pad - 1, y - pad - 1, width + 2 * pad + 1, height + 2 * pad + 1);
  pen.strokeStyle = plate.output ? palette.ink : palette[`${plate.role}_text`] ?? palette.ink;
  if (plate.hidden) pen.strokeStyle = palette.key_text;
  pen.strokeRect(x - pad, y - pad, width + 2 * pad - 1, height + 2 * pad - 1);
}

/** Dotted lines from the row at the left and the column above to the cell they make. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {any} at @param {any} palette */
export function guides(pen, scene, at, palette) {
  const find = (/** @type {string} */ array) => /** @type {any} */ (scene.plates.find((plate) => plate.array === array));
  const [side, upper, out] = [["weights", "value", "context"], ["output_vector", "unembedding", "logits"], ["query", "key", "product"]].map((names) => names.map(find)).find((found) => found.every(Boolean)) ?? [];
  if (!out) return;
  const place = (/** @type {number} */ i) => at[PART[/** @type {"query"} */ (out.axes[i])]] ?? 0;
  const [row, column] = [Math.min(place(0), out.rows - 1), Math.min(place(1), out.cols - 1)]; // values may be narrower than queries
  const y = out.y + (row + 0.5) * out.ch;
  const x = out.x + (column + 0.5) * out.cw;
  pen.save();
  pen.setLineDash([3, 3]);
  pen.lineWidth = 1.5;
  pen.strokeStyle = palette[`${side.role}_text`];
  line(pen, side.x + side.cols * side.cw + 2, y, x - out.cw / 2 - 3, y);
  pen.strokeStyle = palette[`${upper.role}_text`];
  line(pen, x, upper.y + upper.rows * upper.ch + 2, x, y - out.ch / 2 - 3);
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
