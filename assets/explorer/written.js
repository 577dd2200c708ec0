// @ts-check
/**
 * What a layer writes: each head's part of what attention wrote, and E + ΔE = E′. The facts (`viz/written.py`,
 * `viz/residual.py` and `viz/memory.py` are the reference), the scene of the heads' parts, and how long each is.
 */

import { NUMBERS } from "./plate.js";
import { formatted } from "./words.js";

/**
 * @typedef {import("./store.js").Tensor} Tensor @typedef {import("./store.js").Bundle} Bundle @typedef {import("./store.js").Selection} Selection
 * @typedef {import("./scenes.js").Room} Room @typedef {import("./scenes.js").Scene} Scene @typedef {import("./plate.js").Placed} Placed
 * @typedef {{place: Function, foot: Function, beside: (room: Room, axis: string) => number, rowLabels: Function}} Tools
 */

/** The most room that the lengths take beside the matrix. */
const LENGTHS = 190;

/** @param {Tensor} tensor @param {number} i @returns {Float32Array} */
const row = (tensor, i) => tensor.data.subarray(i * tensor.shape[1], (i + 1) * tensor.shape[1]);

/** @param {ArrayLike<number>} vector */
export const length = (vector) => Math.sqrt(dot(vector, vector));

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

/** What the heads wrote for one query, as matrices; nothing where that was not fetched. @param {Bundle | undefined} written @param {number} query @returns {Bundle} */
export function cut(written, query) {
  if (!written?.contributions) return {};
  const [rows, heads, size] = written.contributions.shape;
  const at = query - written.first.data[0];
  if (at < 0 || at >= rows) return {};
  const part = (/** @type {string} */ name, /** @type {number} */ tall) => ({
    ...written[name], shape: [tall, size], data: written[name].data.subarray(at * tall * size, (at + 1) * tall * size),
  });
  const bias = written.output_bias ? { output_bias: written.output_bias } : {};
  return { contributions: part("contributions", heads), ...bias, written_sum: part("written_sum", 1), written_recorded: part("written_recorded", 1) };
}

/** Who wrote how much. @param {Bundle | undefined} written @param {Selection} at */
export function writtenFacts(written, at) {
  const { contributions: parts, output_bias: bias, written_sum: total, written_recorded: recorded } = cut(written, at.query);
  if (!parts) return {};
  const [heads, size] = parts.shape;
  const place = Math.min(at.dimension, size - 1);
  const lengths = Array.from({ length: heads }, (_, head) => length(row(parts, head)));
  const most = lengths.indexOf(Math.max(...lengths));
  const all = lengths.map((_, head) => parts.data[head * size + place]);
  const error = Array.from(total.data, (/** @type {number} */ value, /** @type {number} */ i) => Math.abs(value - recorded.data[i]));
  return {
    written_size: size, head_written: all[at.head], heads_written: all.reduce((sum, value) => sum + value, 0), output_bias: bias?.data[place] ?? 0,
    written_sum: total.data[place], written_recorded: recorded.data[place], written_error: Math.max(...error),
    head_length: lengths[at.head], most_head: most, most_length: lengths[most], lengths_sum: lengths.reduce((sum, value) => sum + value, 0),
    written_length: length(total.data),
  };
}

/** One number of each sum, and the lengths of its rows. @param {any} arrays @param {Selection} at */
export function residualFacts(arrays, at) {
  return Object.assign({}, ...["attention", "mlp"].map((sublayer) => summed(arrays[`residual_${sublayer}`], at, sublayer)));
}

/** @param {Bundle | undefined} sum @param {Selection} at @param {string} sublayer */
function summed(sum, at, sublayer) {
  if (!sum?.[`after_${sublayer}`]) return {};
  const parts = ["before", "added", "after"];
  const rows = parts.map((part) => row(sum[`${part}_${sublayer}`], at.query));
  const place = Math.min(at.dimension, rows[0].length - 1);
  const both = length(rows[0]) * length(rows[2]);
  const [site, where] = JSON.parse(new TextDecoder().decode(sum[`before_${sublayer}_at`].data));
  return {
    ...Object.fromEntries(parts.flatMap((part, i) => [[`${sublayer}_${part}`, rows[i][place]], [`${sublayer}_${part}_length`, length(rows[i])]])),
    [`${sublayer}_cosine`]: both ? dot(rows[0], rows[2]) / both : 0, [`${sublayer}_width`]: rows[0].length,
    [`${sublayer}_before_site`]: site, [`${sublayer}_before_place`]: where,
  };
}

/** What all cross-attention reads. @param {Bundle | undefined} projection */
export function memoryFacts(projection) {
  if (!projection?.memory) return {};
  const [readers, difference] = projection.memory.data;
  return { memory_readers: readers, memory_difference: difference, memory_width: projection.key_input.shape[1] };
}

/** A row for each head, below them the bias where there is one, and the sum; beside them their lengths. @param {Room} room @param {Scene} scene @param {Tools} tools */
export function writtenScene(room, scene, { place, foot, beside, rowLabels }) {
  const { plates, operators } = room.stage;
  const label = Math.max(beside(room, "head"), room.measure(room.word("row_bias"), room.font) + 30);
  const side = Math.min(LENGTHS, room.width * 0.24);
  const [heads, size] = room.tensor("contributions").shape;
  const ch = Math.max(heads > 40 ? 5 : 9, Math.min(34, (room.height - room.font * 9) / (heads + plates.length)));
  const cw = (room.width - label - side - 20) / size;
  const limit = Math.max(...plates.map((/** @type {any} */ plate) => room.limit(plate.array, plate.role)));
  let y = room.font * 1.8;
  plates.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
    const placed = place(scene, room, plate, { x: label, y, ch: i ? Math.max(ch, room.font * 1.2) : ch, cw, limit, output: !i });
    placed.limit = limit; // one scale: the rows are compared
    if (!i) rowLabels(scene, room, placed, "left", label);
    const name = i ? `${operators[plates.length - 1 === i ? operators.length - 1 : i - 1]} ${room.word(plate.array === "written_sum" ? "row_sum" : "row_bias")}` : "";
    scene.captions.push({ text: name, x: label - 8, y: y + placed.ch / 2, align: "right", role: "ink", size: room.font });
    y += placed.rows * placed.ch + (i === plates.length - 1 ? foot(scene, room, placed) : room.font * (i ? 0.5 : 0.9));
  });
  const shape = `${plates[0].symbol} · ${room.array("contributions")} · h=${heads} × d=${size}`;
  scene.captions.push({ text: shape, x: label, y: room.font * 0.7, align: "left", role: "context", size: room.font });
  scene.area = { x: label + size * cw + 16, y: room.font * 0.7, width: side - 20, height: y };
  scene.height = y;
}

/** How long each row is, as bars beside it; the chosen head and the longest are told apart. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
export function drawLengths(pen, scene, store, words) {
  const { area } = scene;
  const { palette } = store.state.colors;
  const font = 12.5 * store.state.textSize;
  if (!area) return;
  const bars = scene.plates.flatMap((plate) => Array.from({ length: plate.rows }, (_, i) => ({
    value: length(row(plate.tensor, i)), y: plate.y + i * plate.ch, tall: plate.ch, head: plate.array === "contributions" ? i : -1,
  })));
  const most = Math.max(...bars.map(({ value }) => value), 1e-9);
  const digits = font * 3.4;
  pen.save();
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.font = `${font}px ${NUMBERS}`;
  pen.fillStyle = palette.muted;
  pen.fillText(words.ui("lengths_title"), area.x, area.y);
  for (const { value, y, tall, head } of bars) {
    const chosen = head === store.active.head;
    const width = Math.max(1, (value / most) * (area.width - digits));
    pen.fillStyle = head < 0 ? palette.muted : palette.value;
    pen.globalAlpha = chosen || head < 0 ? 1 : 0.45;
    pen.fillRect(area.x, y + tall * 0.15, width, Math.max(1, tall * 0.7));
    pen.globalAlpha = 1;
    if (tall < font && !chosen) continue;
    pen.fillStyle = palette.ink;
    pen.fillText(formatted(value, ".2f"), area.x + width + 5, y + tall / 2);
  }
  pen.restore();
}
