// @ts-check
/** Beside a matrix of positions: one of its dimensions as a wave, or its numbers by distance. Each is a pure drawing. */

import { row } from "./facts.js";
import { NUMBERS } from "./plate.js";
import { circle, label, line } from "./rotation.js";
import { formatted } from "./words.js";

/**
 * @typedef {{store: import("./store.js").Store, words: import("./words.js").Words, font: number, palette: Record<string, string>}} With
 * @typedef {{x: number, y: number, width: number, height: number}} Area
 */

/** @param {CanvasRenderingContext2D} pen @param {Area} area @param {import("./store.js").Store} store @param {import("./words.js").Words} words @param {import("./plate.js").Placed} plate */
export function drawAside(pen, area, store, words, plate) {
  const font = 12.5 * store.state.textSize;
  const given = { store, words, font, palette: store.state.colors.palette };
  pen.save();
  pen.font = `${font}px ${NUMBERS}`;
  pen.textBaseline = "middle";
  if (plate.array === "encoding") wave(pen, area, given, plate);
  else if (plate.array === "likeness") distances(pen, area, given);
  else heads(pen, area, given);
  pen.restore();
}

/** The chosen dimension, downwards beside its rows, and the other one of its pair. @param {CanvasRenderingContext2D} pen @param {Area} area @param {With} given @param {import("./plate.js").Placed} plate */
function wave(pen, area, { store, words, font, palette }, plate) {
  const { encoding, sines } = store.state.arrays.positions;
  const at = store.active;
  const dimension = Math.min(at.dimension, encoding.shape[1] - 1);
  const column = (/** @type {number} */ of) => Array.from({ length: encoding.shape[0] }, (_, p) => encoding.data[p * encoding.shape[1] + of]);
  const most = sines.data[0] ? 1 : Math.max(...column(dimension).map(Math.abs), 1e-9);
  const points = (/** @type {number} */ of) => column(of).map((value, p) => [area.x + area.width * (0.5 + (value / most) * 0.48), area.y + (p + 0.5) * plate.ch]);
  label(pen, words.ui("wave_title", { dimension }), area.x, area.y - font, palette.ink);
  line(pen, [[area.x + area.width / 2, area.y], [area.x + area.width / 2, area.y + area.height]], palette.line, 1);
  if (sines.data[0]) line(pen, points(dimension ^ 1), palette.muted, 1);
  line(pen, points(dimension), palette.weight, 2);
  if (at.query < encoding.shape[0]) dot(pen, points(dimension)[at.query], palette.ink);
  const foot = area.y + area.height + font * 0.9;
  ends(pen, area, foot, [`−${formatted(most, ".2f")}`, "0", formatted(most, ".2f")], palette.muted);
  if (sines.data[0]) label(pen, words.ui("wave_pair", { partner: dimension ^ 1 }), area.x, foot + font * 1.4, palette.muted);
}

/** How like two rows are, on average at each distance. @param {CanvasRenderingContext2D} pen @param {Area} area @param {With} given */
function distances(pen, area, { store, words, font, palette }) {
  const { by_distance: means, encoding, sines } = store.state.arrays.positions;
  const at = store.active;
  const values = [...means.data];
  const apart = Math.abs(at.query - Math.min(at.key, encoding.shape[0] - 1));
  const [low, high, x, y] = scales(area, [0, values.length - 1], values);
  label(pen, words.ui(sines.data[0] ? "likeness_title" : "cosine_title"), area.x, area.y - font, palette.ink);
  axes(pen, area, { y, low, high, font, palette });
  line(pen, values.map((value, k) => [x(k), y(value)]), palette.weight, 2);
  if (apart < values.length) dot(pen, [x(apart), y(values[apart])], palette.ink);
  const foot = area.y + area.height + font * 0.9;
  ends(pen, area, foot, ["0", "", `${words.ui("rotation_distance")} ${values.length - 1}`], palette.muted);
  label(pen, words.ui("likeness_here", { apart, mean: values[apart] }), area.x, foot + font * 1.4, palette.weight_text);
}

/** What each head adds at each distance, the chosen one in front. @param {CanvasRenderingContext2D} pen @param {Area} area @param {With} given */
function heads(pen, area, { store, words, font, palette }) {
  const { by_head: table, first } = store.state.arrays.reach;
  const { query, key } = store.active;
  const { head } = store.state.selection;
  const from = first.data[0];
  const [low, high, x, y] = scales(area, [from, from + table.shape[1] - 1], [...table.data].filter(Number.isFinite));
  label(pen, words.ui("reach_title"), area.x, area.y - font, palette.ink);
  axes(pen, area, { y, low, high, font, palette });
  line(pen, [[x(0), area.y], [x(0), area.y + area.height]], palette.line, 1);
  const others = Array.from({ length: table.shape[0] }, (_, i) => i).filter((i) => i !== head);
  for (const each of [...others, head]) {
    const points = [...row(table, each)].map((value, i) => [x(from + i), y(value), value]).filter(([, , value]) => Number.isFinite(value));
    line(pen, points, each === head ? palette.weight : palette.muted, each === head ? 2.5 : 0.8);
  }
  const here = row(table, head)[key - query - from];
  if (Number.isFinite(here)) dot(pen, [x(key - query), y(here)], palette.ink);
  const foot = area.y + area.height + font * 0.9;
  ends(pen, area, foot, [formatted(from), "", `${words.ui("reach_axis")} ${formatted(from + table.shape[1] - 1)}`], palette.muted);
  label(pen, words.ui("reach_here", { head, offset: key - query, here }), area.x, foot + font * 1.4, palette.weight_text);
}

/** The ends of a scale from the least number, or 0, to the largest; from a number to a place along each side of an area. @param {Area} area @param {number[]} reach @param {number[]} values @returns {any[]} */
function scales(area, [from, to], values) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values, low + 1e-9);
  return [low, high, (/** @type {number} */ at) => area.x + ((at - from) / Math.max(1, to - from)) * area.width, (/** @type {number} */ value) => area.y + area.height - ((value - low) / (high - low)) * area.height];
}

/** The line of zero, and the numbers at both ends of the scale. @param {CanvasRenderingContext2D} pen @param {Area} area @param {{y: (value: number) => number, low: number, high: number, font: number, palette: Record<string, string>}} scale */
function axes(pen, area, { y, low, high, font, palette }) {
  line(pen, [[area.x, y(0)], [area.x + area.width, y(0)]], palette.line, 1);
  line(pen, [[area.x, area.y], [area.x, area.y + area.height]], palette.line, 1);
  pen.textAlign = "right";
  for (const end of [low, high]) label(pen, formatted(end, Math.abs(end) < 9.95 ? ".2f" : ".0f"), area.x - 4, y(end) + (end === low && end < 0 ? -font * 0.4 : 0), palette.muted);
  pen.textAlign = "left";
}

/** @param {CanvasRenderingContext2D} pen @param {Area} area @param {number} y @param {string[]} texts @param {string} colour */
function ends(pen, area, y, texts, colour) {
  texts.forEach((text, i) => {
    pen.textAlign = /** @type {CanvasTextAlign[]} */ (["left", "center", "right"])[i];
    label(pen, text, area.x + (i * area.width) / 2, y, colour);
  });
  pen.textAlign = "left";
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} at @param {string} colour */
function dot(pen, [x, y], colour) {
  circle(pen, x, y, 4, colour);
  pen.fillStyle = colour;
  pen.fill();
}
