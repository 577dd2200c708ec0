// @ts-check
/**
 * Where the matrices of a stage stand on the page. A scene is data: placed plates, labels, captions and lines.
 *
 * @typedef {import("./plate.js").Placed} Placed
 * @typedef {{axis: string, index: number, x: number, y: number, width: number, height: number,
 *            side: "left" | "right" | "top", text: string, font: number, slanted: boolean}} Label
 * @typedef {{text: string, x: number, y: number, align: CanvasTextAlign, role: string, size: number}} Caption
 * @typedef {{width: number, height: number, plates: Placed[], labels: Label[], captions: Caption[],
 *            bars: {plate: Placed, x: number, y: number, width: number}[], guides: boolean}} Scene
 * @typedef {{stage: any, width: number, height: number, font: number, self: boolean,
 *            tensor: (array: string) => import("./store.js").Tensor,
 *            masked: (array: string) => ((q: number, k: number) => boolean) | null,
 *            names: (axis: string) => string[], word: (id: string) => string,
 *            measure: (text: string, font: number) => number, limit: (array: string, role: string) => number}} Room
 */

const GAP = 20;
const SMALLEST = 8;

/** The scene of a stage in the room there is. @param {Room} room @returns {Scene} */
export function build(room) {
  /** @type {Scene} */
  const scene = { width: room.width, height: 0, plates: [], labels: [], captions: [], bars: [], guides: false };
  ({ stack, fan, product, flow }[/** @type {"stack"} */ (room.stage.layout)])(room, scene);
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

/** Name, shape and colour bar under a plate. @returns {number} the height they take */
function foot(/** @type {Scene} */ scene, /** @type {Room} */ room, /** @type {Placed} */ plate, above = false) {
  const width = plate.cols * plate.cw;
  const y = above ? plate.y - room.font * 0.7 : plate.y + plate.rows * plate.ch + room.font * 0.9;
  const shape = `${plate.rows} × ${plate.cols}`;
  const symbol = plate.transposed ? `${plate.symbol}ᵀ` : plate.symbol;
  const name = `${symbol} · ${room.word(`array_${plate.array}`)} · ${shape}`;
  const fits = room.measure(name, room.font) <= Math.max(width, 40) + (plate.output ? 60 : 0);
  scene.captions.push({ text: fits ? name : `${symbol} · ${shape}`, x: plate.x, y, align: "left", role: plate.role, size: room.font });
  if (above || plate.role === "mask") return room.font * 1.6;
  scene.bars.push({ plate, x: plate.x, y: y + room.font * 0.8, width: Math.min(width, 168) });
  return room.font * 3.6;
}

/** @param {Room} room @param {string} axis @param {number} font */
const widest = (room, axis, font) => Math.max(0, ...room.names(axis).map((name) => room.measure(name, font)));

/** What rows and columns count, at the corner of a plate. @param {Scene} scene @param {Room} room @param {Placed} plate */
function axes(scene, room, plate) {
  const roles = { query: "query", key: "key" };
  plate.axes.forEach((axis, i) => scene.captions.push({
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
  return { height: slanted ? width * 0.78 + room.font * 1.3 : room.font * 1.9, slanted, spill: slanted ? Math.max(4, ...reach) : 4, width };
}

/** @param {Scene} scene @param {Room} room @param {Placed} plate @param {"left" | "right"} side @param {number} width */
function rowLabels(scene, room, plate, side, width) {
  const axis = plate.axes[0];
  room.names(axis).forEach((text, index) => scene.labels.push({
    axis, index, side, text, slanted: false, font: Math.min(room.font, plate.ch + 2),
    x: side === "left" ? plate.x - 8 : plate.x + plate.cols * plate.cw + 7,
    y: plate.y + (index + 0.5) * plate.ch, width: width - 12, height: plate.ch,
  }));
}

/** @param {Scene} scene @param {Room} room @param {Placed} plate @param {{slanted: boolean, width: number}} top */
function columnLabels(scene, room, plate, top) {
  const axis = plate.axes[1];
  room.names(axis).forEach((text, index) => scene.labels.push({
    axis, index, side: "top", text, slanted: top.slanted, font: Math.min(room.font, plate.cw + 2),
    x: plate.x + (index + 0.5) * plate.cw, y: plate.y - 7, width: top.slanted ? top.width : plate.cw - 2, height: room.font * 1.4,
  }));
}

/** A cell that fits, not larger than `most`. @param {number[]} rooms @param {number} most */
const fit = (rooms, most) => Math.max(SMALLEST, Math.min(most, ...rooms.map(Math.floor)));

/** Matrices one above the other, with the operators between them at the left. @param {Room} room @param {Scene} scene */
function stack(room, scene) {
  const { plates, operators } = room.stage;
  const label = beside(room, "query");
  const feet = room.font * 3.9;
  const rows = room.names("query").length;
  const ch = Math.max(room.font * 0.84, Math.min(32, (room.height - feet * plates.length) / plates.length / rows));
  let y = 6;
  plates.forEach((/** @type {any} */ plate, /** @type {number} */ i) => {
    const cols = room.tensor(plate.array).shape[1];
    const placed = place(scene, room, plate, { x: label, y, ch, cw: (room.width - label - 8) / cols, output: i === plates.length - 1 });
    rowLabels(scene, room, placed, "left", label);
    if (i) scene.captions.push({ text: operators[i - 1], x: label - 16, y: y - feet * 0.5, align: "right", role: "ink", size: room.font * 1.7 });
    y += rows * ch + foot(scene, room, placed) + room.font * 0.3;
  });
  scene.height = y;
}

/** X → Q, K, V; for cross-attention X → Q above and H → K, V below. @param {Room} room @param {Scene} scene */
function fan(room, scene) {
  const [x, h, q, k, v] = room.stage.plates;
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
  const ch = Math.max(SMALLEST, Math.min(30, (height - room.font * 4.4) / rows));
  const arrow = 64;
  const free = room.width - label - arrow - GAP * 3;
  const wide = free * 0.26;
  const placed = place(scene, room, input, { x: label, y, ch, cw: wide / room.tensor(input.array).shape[1] });
  rowLabels(scene, room, placed, "left", label);
  let bottom = foot(scene, room, placed);
  scene.captions.push({ text: "→", x: label + wide + arrow / 2, y: y + (rows * ch) / 2, align: "center", role: "muted", size: room.font * 1.8 });
  scene.captions.push({
    text: "× W", x: label + wide + arrow / 2, y: y + (rows * ch) / 2 - room.font * 1.9,
    align: "center", role: "muted", size: room.font * 0.95,
  });
  let at = label + wide + arrow;
  for (const output of outputs) {
    const cols = room.tensor(output.array).shape[1];
    const cw = Math.min(9, (free - wide) / 3 / cols);
    const out = place(scene, room, output, { x: at, y, ch, cw, output: true });
    bottom = Math.max(bottom, foot(scene, room, out));
    at += cols * cw + GAP;
  }
  return y + rows * ch + bottom;
}

/** left × top = corner, drawn as one multiplies by hand. @param {Room} room @param {Scene} scene */
function product(room, scene) {
  scene.guides = true;
  if (room.stage.id === "scores") scoresScene(room, scene);
  else contextScene(room, scene);
}

/** Q at the left, Kᵀ above, their products in the corner. @param {Room} room @param {Scene} scene */
function scoresScene(room, scene) {
  const [q, k, s] = room.stage.plates;
  const [nq, d] = room.tensor("query").shape;
  const nk = room.tensor("key").shape[0];
  const label = beside(room, "query");
  const deep = Math.max(1.8, Math.min(4, (room.height * 0.15) / d));
  const wide = Math.max(2, Math.min(4.5, (room.width * 0.17) / d));
  const x = label + d * wide + GAP;
  let top = above(room, "key", 20);
  const cell = fit([(room.width - x - top.spill) / nk, (room.height - top.height - d * deep - GAP - room.font * 4) / nq], 46);
  top = above(room, "key", cell);
  const y = top.height + d * deep + GAP;
  const above_ = place(scene, room, k, { x, y: top.height, cw: cell, ch: deep, transposed: true });
  columnLabels(scene, room, above_, top);
  const left = place(scene, room, q, { x: label, y, cw: wide, ch: cell });
  axes(scene, room, { ...left, axes: ["query", "key"] });
  rowLabels(scene, room, left, "left", label);
  const out = place(scene, room, s, { x, y, cw: cell, ch: cell, output: true });
  scene.captions.push({ text: `Kᵀ · ${d} × ${nk}`, x: x - 10, y: top.height + (d * deep) / 2, align: "right", role: "key", size: room.font });
  foot(scene, room, left);
  scene.height = y + nq * cell + foot(scene, room, out);
}

/** The weights at the left, the values above, the weighted sums in the corner. @param {Room} room @param {Scene} scene */
function contextScene(room, scene) {
  const [a, v, c] = room.stage.plates;
  const [nq, nk] = room.tensor("weights").shape;
  const d = room.tensor("value").shape[1];
  const [label, right] = [beside(room, "query"), beside(room, "key")];
  const wide = Math.max(3, Math.min(13, ((room.width - label - right - GAP) * 0.48) / d));
  const vh = Math.max(SMALLEST, Math.min(20, (room.height * 0.36) / nk));
  const guess = above(room, "key", 20).height;
  const high = Math.max(nk * vh, guess);
  const cell = fit([(room.width - label - right - GAP - d * wide) / nk, (room.height - high - GAP - room.font * 4) / nq], 40);
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
  const { plates, operators } = room.stage;
  const inputs = plates.slice(0, -1);
  const result = plates[plates.length - 1];
  const [nq, nk] = room.tensor(result.array).shape;
  const label = beside(room, "query");
  const arrow = Math.max(40, room.measure(operators[0], room.font) + 16);
  const small = Math.max(2, Math.min(20, Math.floor(Math.min((room.width * 0.17) / nk, (room.height / inputs.length - room.font * 6) / nq))));
  const x = nk * small + arrow + label;
  let top = above(room, "key", 20);
  const cell = fit([(room.width - x - top.spill) / nk, (room.height - top.height - room.font * 4) / nq], 48);
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
  scene.captions.push({ text: operators[0], x: nk * small + arrow / 2, y: y - room.font, align: "center", role: "ink", size: room.font * 1.05 });
  scene.captions.push({ text: "→", x: nk * small + arrow / 2, y: y + room.font * 0.6, align: "center", role: "muted", size: room.font * 1.8 });
}
