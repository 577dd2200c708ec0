// @ts-check
/** Rotary positions beside their matrices: the chosen pair as an arrow that is turned, and the score by distance. */

import { facts, productAt } from "./facts.js";
import { NUMBERS } from "./plate.js";
import { formatted } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {{x: number, y: number, width: number, height: number}} Area */

/** How far the curve of scores reaches to either side, in positions, at least. */
const REACH = 16;

/** @param {CanvasRenderingContext2D} pen @param {Area} area @param {Store} store @param {import("./words.js").Words} words */
export function drawRotation(pen, area, store, words) {
  const said = facts(store);
  const font = 12.5 * store.state.textSize;
  pen.save();
  pen.font = `${font}px ${NUMBERS}`;
  pen.textBaseline = "middle";
  const dial = Math.min(area.width * 0.52, area.height * 0.4, 170);
  drawPair(pen, { ...area, height: dial }, { store, words, said, font });
  if (said.frequency !== undefined) drawCurve(pen, { ...area, y: area.y + dial + font * 4.6, height: area.height - dial - font * 6.8 }, { store, words, said, font });
  pen.restore();
}

/** @param {CanvasRenderingContext2D} pen @param {Area} area @param {any} with_ */
function drawPair(pen, area, { store, words, said, font }) {
  const { palette } = store.state.colors;
  const radius = area.height / 2 - 2;
  const [cx, cy] = [area.x + radius + 2, area.y + radius + font * 1.6];
  const head = store.state.arrays.head;
  const at = store.active;
  const value = (/** @type {string} */ name, /** @type {number} */ channel) => head[name].data[at.query * head[name].shape[1] + channel];
  const before = [said.first_channel, said.second_channel].map((channel) => value("query_made", channel));
  const after = [said.first_channel, said.second_channel].map((channel) => value("query", channel));
  const most = Math.max(Math.hypot(before[0], before[1]), Math.hypot(after[0], after[1]), 1e-9);
  label(pen, words.ui("rotation_pair", said), area.x, area.y, palette.ink);
  circle(pen, cx, cy, radius, palette.line);
  const start = Math.atan2(before[1], before[0]);
  pen.beginPath();
  pen.strokeStyle = palette.muted;
  pen.lineWidth = 1.5;
  const turn = said.angle % (2 * Math.PI);
  pen.arc(cx, cy, radius * 0.4, -start, -(start + turn), turn > 0);
  pen.stroke();
  arrow(pen, [cx, cy], [cx + (before[0] / most) * radius, cy - (before[1] / most) * radius], palette.muted);
  arrow(pen, [cx, cy], [cx + (after[0] / most) * radius, cy - (after[1] / most) * radius], palette.query_text);
  const x = cx + radius + font;
  label(pen, words.ui("rotation_before"), x, cy - font * 1.8, palette.muted);
  label(pen, words.ui("rotation_after"), x, cy - font * 0.4, palette.query_text);
  if (said.frequency !== undefined) label(pen, `${said.query} × ${formatted(said.frequency, ".4f")} rad`, x, cy + font * 1.6, palette.ink);
  label(pen, `θ = ${formatted((said.angle * 180) / Math.PI, ".1f")}°`, x, cy + font * 3, palette.ink);
}

/** The product of this query and key at every distance, their content held fixed. @param {CanvasRenderingContext2D} pen @param {Area} area @param {any} with_ */
function drawCurve(pen, area, { store, words, said, font }) {
  const { palette } = store.state.colors;
  const { head } = store.state.arrays;
  const reach = Math.max(REACH, Math.abs(said.distance) + 4, head.angle.shape[0]);
  const distances = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach);
  const { query, key } = store.active;
  const values = distances.map((distance) => productAt(head, query, key, distance));
  const most = Math.max(...values.map(Math.abs), 1e-9);
  const x = (/** @type {number} */ distance) => area.x + ((distance + reach) / (2 * reach)) * area.width;
  const y = (/** @type {number} */ value) => area.y + area.height / 2 - (value / most) * (area.height / 2 - 4);
  label(pen, words.ui("rotation_curve"), area.x, area.y - font * 1.1, palette.ink);
  line(pen, [[area.x, y(0)], [area.x + area.width, y(0)]], palette.line, 1);
  line(pen, [[x(0), area.y], [x(0), area.y + area.height]], palette.line, 1);
  line(pen, distances.map((distance, i) => [x(distance), y(values[i])]), palette.weight, 2);
  const here = values[said.distance + reach];
  pen.beginPath();
  pen.fillStyle = palette.ink;
  pen.arc(x(said.distance), y(here), 4, 0, 7);
  pen.fill();
  label(pen, `−${reach}`, area.x, area.y + area.height + font * 0.8, palette.muted);
  label(pen, "0", x(0) - font * 0.3, area.y + area.height + font * 0.8, palette.muted);
  pen.textAlign = "right";
  label(pen, `${words.ui("rotation_distance")} ${reach}`, area.x + area.width, area.y + area.height + font * 0.8, palette.muted);
  pen.textAlign = "left";
  label(pen, words.ui("rotation_here", { ...said, here }), area.x, area.y + area.height + font * 2.2, palette.weight_text);
}

/** @param {CanvasRenderingContext2D} pen @param {string} text @param {number} x @param {number} y @param {string} colour */
export function label(pen, text, x, y, colour) {
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} radius @param {string} colour */
export function circle(pen, x, y, radius, colour) {
  pen.beginPath();
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.arc(x, y, radius, 0, 7);
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {number[][]} points @param {string} colour @param {number} width */
export function line(pen, points, colour, width) {
  pen.beginPath();
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} from @param {number[]} to @param {string} colour */
export function arrow(pen, from, to, colour) {
  line(pen, [from, to], colour, 2.5);
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const wing = (/** @type {number} */ turn) => [to[0] - 9 * Math.cos(angle + turn), to[1] - 9 * Math.sin(angle + turn)];
  line(pen, [wing(0.45), to, wing(-0.45)], colour, 2.5);
}
