// @ts-check
/**
 * Where the matrices of a stage stand on the page. A scene is data: placed plates, labels, captions and lines.
 *
 * @typedef {import("./plate.js").Placed} Placed
 * @typedef {{axis: string, index: number, x: number, y: number, width: number, height: number,
 *            side: "left" | "right" | "top", text: string, font: number, slanted: boolean, quiet?: boolean}} Label
 * @typedef {{text: string, x: number, y: number, align: CanvasTextAlign, role: string, size: number}} Caption
 * @typedef {{width: number, height: number, plates: Placed[], labels: Label[], captions: Caption[],
 *            bars: {plate: Placed, x: number, y: number, width: number}[], guides: boolean,
 *            area?: {x: number, y: number, width: number, height: number}}} Scene
 * @typedef {{stage: any, told: string, operator: string, width: number, height: number, font: number, self: boolean,
 *            tensor: (array: string) => import("./store.js").Tensor,
 *            masked: (array: string) => ((q: number, k: number) => boolean) | null,
 *            names: (axis: string) => string[], word: (id: string) => string, array: (name: string) => string,
 *            measure: (text: string, font: number) => number, limit: (array: string, role: string) => number}} Room
 */

import { writtenScene } from "./written.js";

const GAP = 20;

/** The smallest cell: of a page of text only a few pixels, so that it can be seen whole. @param {number} count */
const smallest = (count) => (count > 220 ? 1.5 : count > 90 ? 2.5 : count > 48 ? 4 : 8);

/** The scene of a stage in the room there is. @param {Room} room @returns {Scene} */
export function build(room) {
  /** @type {Scene} */
  const scene = { width: room.width, height: 0, plates: [], labels: [], captions: [], bars: [], guides: false };
  ({ stack, fan, product, flow, rotation, router, beside: besides, written: heads }[/** @type {"stack"} */ (room.stage.layout)])(room, scene);
  scene.width = Math.max(room.width, ...scene.plates.map((plate) => plate.x + plate.cols * plate.cw + 8));
  return scene;
}


/** @param {Scene} scene @param {Room} room @param {any} plate @param {Partial<Placed>} where @returns {Placed} */
function place(scene, room, plate, where) {
  const tensor = room.tensor(plate.array);
  const transposed = where.transposed ?? false;
  const [rows, cols] = transposed ? [tensor.shape[1], tensor.shape[0]] : tensor.shape;
  const axes = transposed ? [plate.axes[1], plate.axes[0]] : plate.axes;
  const placed = /** @type {Placed} */ ({
    ...plate, x: 0, y: 0, cw: 1, ch: 1, output: false, ...where, tensor, rows, cols, transposed, axes,
    masked: room.masked(plate.array), limit: room.limit(plate.array, plate.role),
  });
  scene.plates.push(placed);
  return placed;
}

/** What a size is called. @type {Record<string, string>} */
const LETTERS = { query: "n", key: "m", d_model: "d", d_head: "d_k", d_value: "d_v", d_hidden: "d_ff", unit: "d_h", head: "h", expert: "E", one: "1" };

/** The shape in letters and in numbers; in numbers alone where only some are shown. @param {Room} room @param {{axes: string[], array: string, rows: number, cols: number}} plate */
export function shapeOf(room, { axes: of, array, rows, cols }) {
  const letters = of.map((axis) => (axis === "key" && room.self ? "n" : axis === "d_hidden" && room.array(array).includes("(") ? "" : LETTERS[axis] ?? ""));
  const [tall, wide] = letters.map((letter, i) => (letter && letter !== "1" ? `${letter}=` : "") + [rows, cols][i]);
  return `${tall} × ${wide}`;
}

/** Name, shape and colour bar under a plate. @returns {number} the height they take */
function foot(/** @type {Scene} */ scene, /** @type {Room} */ room, /** @type {Placed} */ plate, above = false, over = 60) {
  const width = plate.cols * plate.cw;
  const y = above ? plate.y - room.font * 0.7 : plate.y + plate.rows * plate.ch + room.font * 0.9;
  const symbol = plate.transposed ? `${plate.symbol}ᵀ` : plate.symbol;
  const [shape, short] = [shapeOf(room, plate), `${symbol} · ${shapeOf(room, plate)}`];
  const fits = (/** @type {string} */ text, font = room.font) => room.measure(text, font) <= Math.max(width, 40) + (plate.output ? over : GAP / 2);
  const small = fits(short) ? room.font : room.font * 0.86;
  const name = `${symbol} · ${room.array(plate.array)} · ${shape}`;
  const text = fits(name) ? name : fits(short, small) ? short : `${symbol} · ${plate.rows} × ${plate.cols}`;
  scene.captions.push({ text, x: plate.x, y, align: "left", role: plate.role, size: text === short ? small : room.font });
  if (above || plate.role === "mask") return room.font * 1.6;
  scene.bars.push({ plate, x: plate.x, y: y + room.font * 0.8, width: Math.min(width, 168) });
  return room.font * 3.6;
}

/** @param {Room} room @param {string} axis @param {number} font */
const widest = (room, axis, font) => room.names(axis).reduce((most, name) => Math.max(most, room.measure(name, font)), 0);

/** What rows and columns count, at the corner of a plate. @param {Scene} scene @param {Room} room @param {Placed} plate */
function axes(scene, room, plate) {
  const roles = { query: "query", key: "key" };
  plate.axes.forEach((axis, i) => axis !== "one" && scene.captions.push({
    text: `${room.word(`axis_${axis}`)} ${i ? "→" : "↓"}`, x: plate.x - 8, y: plate.y - room.font * (i ? 1.75 : 0.6), align: "right",
    role: roles[/** @type {"query"} */ (axis)] ?? "muted", size: room.font * 0.92,
  }));
}

/** Room for labels beside rows. @param {Room} room @param {string} axis */
const beside = (room, axis) => Math.min(widest(room, axis, room.font) + 14, room.width * 0.22, 190);

/** Room for labels above columns of a width. @param {Room} room @param {string} axis @param {number} cw */
function above(room, axis, cw) {
  const width = Math.min(widest(room, axis, room.font), 104);
  const slanted = width + 6 > cw;
  const names = room.names(axis);
  const reach = names.map((name, i) => Math.min(room.measure(name, room.font), 104) * 0.71 - (names.length - i - 0.5) * cw);
  return { height: slanted ? width * 0.78 + room.font * 1.3 : room.font * 2.4, slanted, spill: slanted ? Math.max(4, ...reach) : 4, width };
}

/** Every how many-th label is drawn beside cells of a size, so that none touches the next. @param {number} size */
const stride = (size) => (size >= 8 ? 1 : Math.ceil(12 / size));

/** @param {Scene} scene @param {Room} room @param {Placed} plate @param {"left" | "right"} side @param {number} width */
function rowLabels(scene, room, plate, side, width) {
  const axis = plate.axes[0];
  const step = stride(plate.ch);
  room.names(axis).forEach((text, index) => scene.labels.push({
    axis, index, side, text, slanted: false, font: Math.min(room.font, Math.max(plate.ch + 0.5, 10)), quiet: index % step > 0,
    x: side === "left" ? plate.x - 8 : plate.x + plate.cols * plate.cw + 7,
    y: plate.y + (index + 0.5) * plate.ch, width: width - 12, height: plate.ch,
  }));
}

/** @param {Scene} scene @param {Room} room @param {Placed} plate @param {{slanted: boolean, width: number}} top */
function columnLabels(scene, room, plate, top) {
  const axis = plate.axes[1];
  const step = stride(plate.cw);
  room.names(axis).forEach((text, index) => scene.labels.push({
    axis, index, side: "top", text, slanted: top.slanted, font: Math.min(room.font, Math.max(plate.cw + 2, 10)), quiet: index % step > 0,
    x: plate.x + (index + 0.5) * plate.cw, y: plate.y - 7, width: top.slanted ? top.width : plate.cw - 2, height: room.font * 1.4,
  }));
}

/** A cell that fits, not larger than `most`, of a matrix with so many cells a side. @param {number[]} rooms @param {number} most @param {number} count */
const fit = (rooms, most, count) => Math.max(smallest(count), Math.min(most, ...rooms.map((room) => (room >= 4 ? Math.floor(room) : room))));

/** Whole pixels; below two, what there is. @param {number} size */
const wholeOr = (size) => (size >= 2 ? Math.floor(size) : size);

/** Matrices one above the other, with the operators between them at the left. @param {Room} room @param {Scene} scene */
function stack(room, scene) {
  const { plates, operators } = room.stage;
  const label = Math.max(...plates.map((/** @type {any} */ plate) => beside(room, plate.axes[0])));
  const feet = room.font * 3.9;
  const all = plates.map((/** @type {any} */ plate) => room.tensor(plate.array).shape[0]);
  const most = Math.max(...all);
  const ch = Math.max(most > 60 ? smallest(most) : room.font * 0.84, Math.min(32, (room.height - feet * plates.length) / all.reduce((/** @type {number} */ sum, /** @type {number} */ rows) => sum + rows, 0)));
  let y = 6;
  plates.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
    const [rows, cols] = room.tensor(plate.array).shape;
    const placed = place(scene, room, plate, { x: label, y, ch, cw: (room.width - label - 8) / cols, output: i === plates.length - 1 });
    rowLabels(scene, room, placed, "left", label);
    const last = i === plates.length - 1;
    const sign = last ? room.operator : operators[i - 1];
    if (i) scene.captions.push({ text: sign, x: label - 16, y: y - feet * 0.5, align: "right", role: "ink", size: room.font * (sign.length > 2 ? 1 : 1.7) });
    y += rows * ch + foot(scene, room, placed) + room.font * 0.3;
  });
  scene.height = y;
}

/** X → Q, K, V; for cross-attention X → Q above and H → K, V below. @param {Room} room @param {Scene} scene */
function fan(room, scene) {
  const [x, h] = ["query_input", "key_input"].map((name) => room.stage.plates.find((/** @type {any} */ plate) => plate.array === name));
  const [q, k, v] = room.stage.plates.slice(-3);
  if (!x || !h) return void (scene.height = made(room, scene, [q, k, v]));
  if (room.self) {
    const bottom = fanRow(room, scene, { input: x, outputs: [q, k, v], y: 4, height: room.height });
    const input = scene.plates.find((plate) => plate.array === x.array);
    if (input) scene.plates.push({ ...input, array: h.array, hidden: true, axes: ["key", "d_model"] });
    scene.height = bottom;
    return;
  }
  const middle = fanRow(room, scene, { input: x, outputs: [q], y: 4, height: room.height / 2 });
  scene.height = fanRow(room, scene, { input: h, outputs: [k, v], y: middle + room.font * 0.4, height: room.height / 2 });
}

/** @param {Room} room @param {Scene} scene @param {{input: any, outputs: any[], y: number, height: number}} row */
function fanRow(room, scene, { input, outputs, y, height }) {
  const axis = input.axes[0];
  const label = beside(room, axis);
  const rows = room.names(axis).length;
  const ch = Math.max(smallest(rows), Math.min(30, (height - room.font * 4.4) / rows));
  const arrow = 64;
  const free = room.width - label - arrow - GAP * 3;
  const wide = free * 0.26;
  const placed = place(scene, room, input, { x: label, y, ch, cw: wide / room.tensor(input.array).shape[1] });
  rowLabels(scene, room, placed, "left", label);
  let bottom = foot(scene, room, placed);
  scene.captions.push({ text: "→", x: label + wide + arrow / 2, y: y + (rows * ch) / 2, align: "center", role: "muted", size: room.font * 1.8 });
  scene.captions.push({
    text: room.told === "qkv_states" && axis === "key" ? "=" : "× W", x: label + wide + arrow / 2, y: y + (rows * ch) / 2 - room.font * 1.9,
    align: "center", role: "muted", size: room.font * 0.95,
  });
  let at = label + wide + arrow;
  for (const output of outputs) {
    const cols = room.tensor(output.array).shape[1];
    const cw = Math.min(9, (free - wide) / 3 / cols);
    const out = place(scene, room, output, { x: at, y, ch, cw, output: true });
    bottom = Math.max(bottom, foot(scene, room, out, false, output === outputs[outputs.length - 1] ? 60 : GAP / 2));
    at += cols * cw + GAP;
  }
  return y + rows * ch + bottom;
}

/** Q, K and V side by side, where their making cannot be shown. @param {Room} room @param {Scene} scene @param {any[]} plates */
function made(room, scene, plates) {
  const label = Math.max(beside(room, "query"), beside(room, "key"));
  const rows = Math.max(room.names("query").length, room.names("key").length);
  const ch = Math.max(smallest(rows), Math.min(30, (room.height - room.font * 4.4) / rows));
  const free = (room.width - label - GAP * 4) / plates.length;
  let [at, bottom] = [label, 0];
  plates.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
    const cols = room.tensor(plate.array).shape[1];
    const side = i && !room.self ? label : 0;
    const cw = Math.min(9, (free - side) / cols);
    const out = place(scene, room, plate, { x: at + side, y: 4, ch, cw, output: true });
    if (!i || !room.self) rowLabels(scene, room, out, "left", label);
    bottom = Math.max(bottom, out.rows * ch + foot(scene, room, out, false, i === plates.length - 1 ? 60 : GAP / 2));
    at += side + cols * cw + GAP;
  });
  return 4 + bottom;
}

/** Q before and after the turn, K below, and beside them room for the pair and for the score by distance. @param {Room} room @param {Scene} scene */
function rotation(room, scene) {
  const [before, after, keyBefore, keyAfter] = room.stage.plates;
  const label = Math.max(beside(room, "query"), beside(room, "key")) + room.font * 0.8;
  const narrow = room.width < room.font * 46;
  const side = narrow ? 0 : Math.min(320, room.width * 0.36);
  const feet = room.font * 4.4;
  const cols = room.tensor(before.array).shape[1];
  const arrow = room.font * 3;
  const cw = Math.min(10, (room.width - label - side - arrow - GAP * 2) / 2 / cols);
  let y = 4;
  for (const [plain, turned] of [[before, after], [keyBefore, keyAfter]]) {
    const rows = room.tensor(plain.array).shape[0];
    const least = narrow && rows <= 60 ? room.font * 1.05 : smallest(rows) / 2;
    const ch = Math.max(least, Math.min(24, (room.height / 2 - feet) / rows));
    const left = place(scene, room, plain, { x: label, y, ch, cw });
    rowLabels(scene, room, left, "left", label);
    const right = place(scene, room, turned, { x: label + cols * cw + arrow, y, ch, cw, output: true });
    scene.captions.push({ text: "↻", x: label + cols * cw + arrow / 2, y: y + (rows * ch) / 2, align: "center", role: "muted", size: room.font * 1.9 });
    y += rows * ch + Math.max(foot(scene, room, left, false, 0), foot(scene, room, right, false, 0)) + room.font * 0.4;
  }
  const height = Math.max(room.font * 26, Math.min(y - 8, 560));
  scene.area = narrow ? { x: 4, y: y + room.font, width: room.width - 16, height: room.font * 30 }
    : { x: label + 2 * cols * cw + arrow + GAP * 1.4, y: room.font, width: side - GAP * 0.8, height };
  scene.height = narrow ? y + room.font * 32 : Math.max(y, height + room.font * 2);
}

/** A matrix, and at its right, or below where it is narrow, room for a curve of it. @param {Room} room @param {Scene} scene */
function besides(room, scene) {
  const [plate] = room.stage.plates;
  const [rows, cols] = room.tensor(plate.array).shape;
  const label = beside(room, plate.axes[0]);
  const narrow = room.width < room.font * 46;
  const side = narrow ? 0 : Math.min(340, room.width * 0.36);
  const isGrid = plate.axes[1] !== "d_model";
  const most = Math.max(rows, cols);
  let top = isGrid ? above(room, plate.axes[1], 20) : { height: room.font * 2.6, slanted: false, spill: 4, width: 0 };
  const space = room.width - label - side - GAP * (narrow ? 0.5 : 3.4);
  const tall = Math.max(rows > 60 ? smallest(rows) : room.font * 0.84, Math.min(28, (room.height - top.height - room.font * 5) / rows));
  const cell = fit([(space - top.spill) / cols, (room.height - top.height - room.font * 5) / rows], 44, most);
  if (isGrid) top = above(room, plate.axes[1], cell);
  const placed = place(scene, room, plate, { x: label, y: top.height, cw: isGrid ? cell : space / cols, ch: isGrid ? cell : tall, output: true });
  axes(scene, room, placed);
  rowLabels(scene, room, placed, "left", label);
  if (isGrid) columnLabels(scene, room, placed, top);
  const height = rows * placed.ch;
  const bottom = placed.y + height + Math.max(foot(scene, room, placed), room.font * 4);
  const right = placed.x + cols * placed.cw + GAP * (isGrid ? 3 : 1.6);
  scene.area = narrow ? { x: 8 + (isGrid ? GAP * 1.6 : 0), y: bottom + room.font * 2, width: room.width - 24 - (isGrid ? GAP * 1.6 : 0), height: isGrid ? room.font * 14 : height }
    : { x: right, y: placed.y, width: Math.min(side, room.width - right - 8), height: isGrid ? Math.max(Math.min(height, 360), room.font * 10) : height };
  scene.height = Math.max(bottom, scene.area.y + scene.area.height + room.font * 4);
}

/** @param {Room} room @param {Scene} scene */
const heads = (room, scene) => writtenScene(room, scene, { place, foot, beside, rowLabels });

/** Tokens × experts: the probabilities, where they are known, and the weights of those chosen. @param {Room} room @param {Scene} scene */
function router(room, scene) {
  const { plates } = room.stage;
  const label = beside(room, "query");
  const [rows, cols] = room.tensor("router").shape;
  const top = above(room, "expert", 20);
  const cell = Math.max(rows > 90 ? 4 : 9, Math.min(46, (room.width - label - GAP * 3) / plates.length / cols, (room.height - top.height - room.font * 5) / rows));
  plates.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
    const x = label + i * (cols * cell + GAP * 2);
    const placed = place(scene, room, plate, { x, y: top.height + room.font * 1.4, cw: cell, ch: cell, output: plate.array === "router" });
    if (plate.array !== "router") placed.marked = (r, c) => room.tensor("router").data[r * cols + c] !== 0;
    columnLabels(scene, room, placed, { slanted: false, width: cell });
    scene.captions.push({ text: `${room.word("axis_expert")} →`, x, y: room.font * 0.7, align: "left", role: "muted", size: room.font * 0.92 });
    if (!i) rowLabels(scene, room, placed, "left", label);
    scene.height = placed.y + rows * cell + foot(scene, room, placed);
  });
}

/** left × top = corner, drawn as one multiplies by hand. @param {Room} room @param {Scene} scene */
function product(room, scene) {
  scene.guides = true;
  if (room.stage.id === "context") contextScene(room, scene);
  else scoresScene(room, scene);
}

/** Q at the left, Kᵀ above, their products in the corner; or the last vectors and the output embeddings of some words. @param {Room} room @param {Scene} scene */
function scoresScene(room, scene) {
  const [q, k, s] = room.stage.plates;
  const [nq, d] = room.tensor(q.array).shape;
  const nk = room.tensor(k.array).shape[0];
  const [rows, columns] = [q.axes[0], k.axes[0]];
  const few = columns === "choice"; // ten words: wide cells, as low as they come
  const label = Math.max(beside(room, rows), few ? room.measure(`${room.word("axis_choice")} →`, room.font) + 14 : 0);
  const deep = few ? 60 / d : Math.max(1.8, Math.min(4, (room.height * 0.15) / d));
  const wide = Math.max(Math.min(2, 128 / d), Math.min(4.5, (room.width * 0.17) / d));
  const x = label + d * wide + GAP;
  let top = above(room, columns, 20);
  const across = (room.width - x - top.spill) / nk;
  const cell = fit([few ? Infinity : across, (room.height - top.height - d * deep - GAP - room.font * 4) / nq], 46, Math.max(nq, nk));
  const cw = few ? fit([across], 60, nk) : cell;
  top = above(room, columns, cw);
  const y = top.height + d * deep + GAP;
  const above_ = place(scene, room, k, { x, y: top.height, cw, ch: deep, transposed: true });
  columnLabels(scene, room, above_, top);
  const left = place(scene, room, q, { x: label, y, cw: wide, ch: cell });
  axes(scene, room, { ...left, axes: [rows, columns] });
  rowLabels(scene, room, left, "left", label);
  const out = place(scene, room, s, { x, y, cw, ch: cell, output: true });
  scene.captions.push({ text: `${k.symbol}ᵀ · ${shapeOf(room, { axes: [k.axes[1], columns], array: k.array, rows: d, cols: nk })}`, x: x - 10, y: top.height + (d * deep) / 2, align: "right", role: k.role, size: room.font });
  foot(scene, room, left);
  scene.height = y + nq * cell + foot(scene, room, out);
}

/** The weights at the left, the values above, the weighted sums in the corner. @param {Room} room @param {Scene} scene */
function contextScene(room, scene) {
  const [a, v, c] = room.stage.plates;
  const [nq, nk] = room.tensor("weights").shape;
  const d = room.tensor("value").shape[1];
  const [label, right] = [beside(room, "query"), beside(room, "key")];
  const wide = Math.max(d > 96 ? 1.5 : 3, Math.min(13, ((room.width - label - right - GAP) * 0.48) / d));
  const vh = Math.max(smallest(nk) / (nk > 90 ? 2 : 1), Math.min(20, (room.height * 0.36) / nk));
  const guess = above(room, "key", 20).height;
  const high = Math.max(nk * vh, guess);
  const cell = fit([(room.width - label - right - GAP - d * wide) / nk, (room.height - high - GAP - room.font * 4) / nq], 40, Math.max(nq, nk));
  const top = above(room, "key", cell);
  const y = Math.max(nk * vh + room.font * 1.8, top.height) + GAP * 0.6;
  const left = place(scene, room, a, { x: label, y, cw: cell, ch: cell });
  axes(scene, room, left);
  rowLabels(scene, room, left, "left", label);
  columnLabels(scene, room, left, top);
  const x = label + nk * cell + GAP;
  const values = place(scene, room, v, { x, y: y - nk * vh - GAP * 0.6, cw: wide, ch: vh });
  rowLabels(scene, room, values, "right", right);
  foot(scene, room, values, true);
  const out = place(scene, room, c, { x, y, cw: wide, ch: cell, output: true });
  foot(scene, room, left);
  scene.height = y + nq * cell + foot(scene, room, out);
}

/** Inputs in a column, the operator, and the output large. @param {Room} room @param {Scene} scene */
function flow(room, scene) {
  const { plates } = room.stage;
  const inputs = plates.slice(0, -1);
  const result = plates[plates.length - 1];
  const [nq, nk] = room.tensor(result.array).shape;
  const wide = room.tensor(inputs[0].array).shape[1];
  const label = beside(room, "query");
  const arrow = Math.max(40, room.measure(room.operator, room.font) + 16);
  const small = Math.max(0.25, Math.min(20, wholeOr(Math.min((room.width * 0.17) / wide, (room.height / inputs.length - room.font * 6) / nq))));
  const x = wide * small + arrow + label;
  let top = above(room, "key", 20);
  const cell = fit([(room.width - x - top.spill) / nk, (room.height - top.height - room.font * 4) / nq], 48, Math.max(nq, nk));
  top = above(room, "key", cell);
  const out = place(scene, room, result, { x, y: top.height, cw: cell, ch: cell, output: true });
  axes(scene, room, out);
  columnLabels(scene, room, out, top);
  rowLabels(scene, room, out, "left", label);
  scene.height = top.height + nq * cell + foot(scene, room, out);
  const step = Math.max(nq * small + room.font * 4.6, (nq * cell) / inputs.length);
  inputs.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
    const y = top.height + (inputs.length > 1 ? i * step : Math.max(0, (nq * (cell - small)) / 2));
    foot(scene, room, place(scene, room, plate, { x: 1, y, cw: small, ch: small }));
    scene.height = Math.max(scene.height, y + nq * small + room.font * 4);
  });
  const y = top.height + (inputs.length > 1 ? step * 0.5 + (nq * small) / 2 - room.font : (nq * cell) / 2);
  scene.captions.push({ text: room.operator, x: wide * small + arrow / 2, y: y - room.font, align: "center", role: "ink", size: room.font * 1.05 });
  scene.captions.push({ text: "→", x: wide * small + arrow / 2, y: y + room.font * 0.6, align: "center", role: "muted", size: room.font * 1.8 });
}
