// @ts-check
/** The lines and boxes of the map: stacks side by side, each with the stream along which it computes. */

import { h } from "./dom.js";

/** @typedef {import("./floors.js").Row} Row @typedef {import("./floors.js").Box} Box */
/** @typedef {{stack: any, rows: Row[]}} Tower */
/** @typedef {{box: Box, x: number, y: number, width: number, height: number}} Laid */
/** @typedef {{laid: Laid[], line: number, mirrored: boolean, x: number, width: number, rows: {row: Row, y: number, height: number, laid: Laid[]}[]}} Column */

const [THIN, THICK, GAP, BETWEEN, LINE] = [16, 22, 6, 15, 8];

/** The stream beside which boxes stand, and how far they keep from it. */
const ASIDE = 20;

const CHIP = 25;

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} d @param {string} name */
function path(d, name) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("d", d);
  element.setAttribute("class", name);
  return element;
}

/**
 * @param {Tower[]} towers
 * @param {{width: number, scale: number, open: string, place: (box: Box) => HTMLElement}} given `open`: the tower in view
 */
export function draw(towers, { width, scale, open, place }) {
  const gap = BETWEEN * scale;
  const free = width - gap * (towers.length - 1);
  const narrow = towers.length > 1 ? Math.max(40, Math.min(free * (towers.length > 2 ? 0.27 : 0.38), free / towers.length)) : 0;
  let x = 0;
  const feeds = towers.some(({ rows }) => rows.some((row) => row.feeds));
  const columns = towers.map((tower, i) => {
    const wide = towers.length === 1 || tower.stack.tower === open ? free - narrow * (towers.length - 1) : narrow;
    const fed = i > 0 && tower.rows.some((row) => row.feeds === towers[i - 1].stack.tower);
    const column = laidOut(tower.rows, { x, width: wide, scale, mirrored: fed });
    x += wide + gap;
    return column;
  });
  const heights = columns.map((column) => column.rows.reduce((sum, { height }) => sum + height + GAP * scale, 0));
  const height = Math.max(...heights, feeds ? heights[0] + 14 * scale : 0);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("width", String(width));
  svg.setAttribute("height", String(height));
  towers.forEach((tower, i) => svg.append(...lines(tower, columns[i], scale, height)));
  towers.forEach((tower, i) => i && svg.append(...feeding(columns[i - 1], columns[i], { from: towers[i - 1].stack.tower, gap, height, scale })));
  const boxes = columns.flatMap((column) => column.laid.map(({ box, ...at }) => set(place(box), { ...at, y: height - at.y - at.height })));
  return h("div", { class: "map-canvas", style: `width: ${width}px; height: ${height}px` }, svg, ...boxes);
}

/** @param {HTMLElement} element @param {{x: number, y: number, width: number, height: number}} at */
function set(element, { x, y, width, height }) {
  Object.assign(element.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
  return element;
}

/**
 * Rows from the bottom up; y counts from the bottom.
 * @param {Row[]} rows @param {{x: number, width: number, scale: number, mirrored: boolean}} where @returns {Column}
 */
function laidOut(rows, { x, width, scale, mirrored }) {
  const line = mirrored ? x + width - LINE * scale : x + LINE * scale;
  let y = 1;
  const placed = rows.map((row) => {
    const aside = row.on ? 0 : ASIDE * scale;
    const [left, room] = [mirrored || row.on ? x : x + aside, width - aside];
    const across = row.chips ? Math.max(1, Math.floor((room + 2) / (CHIP * scale))) : row.boxes.length;
    const tall = (row.thin ? THIN : THICK) * scale;
    const down = Math.ceil(row.boxes.length / across);
    const each = (room - 3 * (across - 1)) / across;
    const laid = row.boxes.map((box, i) => ({ box, x: left + (i % across) * (each + 3), y: y + Math.floor(i / across) * (tall + 3), width: each, height: tall }));
    const height = down * tall + (down - 1) * 3;
    const at = y;
    y += height + GAP * scale;
    return { row, y: at, height, laid };
  });
  return { laid: placed.flatMap(({ laid }) => laid), line, mirrored, x, width, rows: placed };
}

/** The stream of a stack, and how each row reads from it and writes to it. @param {Tower} tower @param {Column} column @param {number} scale @param {number} height */
function lines({ stack }, column, scale, height) {
  const { rows, line, mirrored } = column;
  const up = (/** @type {number} */ y) => height - y;
  const middle = (/** @type {{y: number, height: number}} */ each) => up(each.y + each.height / 2);
  const first = rows.findIndex(({ row }) => !["tokens", "name"].includes(row.boxes[0].part));
  const last = rows[rows.length - 1];
  const end = stack.output ? up(last.y) : up(last.y + last.height) - (stack.residual ? 9 : 0) * scale;
  const drawn = [path(`M${line},${up(rows[Math.max(0, first - 1)].y + rows[Math.max(0, first - 1)].height)}V${end}`, stack.residual ? "map-stream" : "map-wire")];
  rows.forEach((each, i) => {
    const { row, laid } = each;
    if (row.on) return;
    const edge = mirrored ? Math.max(...laid.map((box) => box.x + box.width)) : Math.min(...laid.map((box) => box.x));
    const inward = mirrored ? -1 : 1;
    const both = row.reads && row.writes;
    const y = middle(each);
    if (row.reads) drawn.push(path(`M${line},${y + (both ? 5 : 0)}H${edge}`, "map-wire"), head(edge, y + (both ? 5 : 0), inward));
    if (row.writes) drawn.push(...plus(line, y - (both ? 5 : 0)), path(`M${edge},${y - (both ? 5 : 0)}H${line + inward * 4.5}`, "map-wire"), head(line + inward * 4.5, y - (both ? 5 : 0), -inward));
    const below = rows[i - 1];
    if (below && row.writes && !row.reads && below.row.reads && !below.row.writes) {
      for (const box of laid) drawn.push(path(`M${box.x + box.width / 2},${up(below.y + below.height)}V${up(box.y)}`, "map-wire"));
    }
    for (const far of laid.slice(1)) drawn.push(path(`M${far.x + far.width / 2},${up(far.y + far.height)}v-3H${line}`, "map-wire"));
  });
  return drawn;
}

/** An arrow head that ends at a point. @param {number} x @param {number} y @param {number} inward 1 to the right, -1 to the left */
const head = (x, y, inward) => path(`M${x},${y}l${-5 * inward},-3v6z`, "map-head");

/** What is added to the stream. @param {number} x @param {number} y */
const plus = (x, y) => [path(`M${x - 4.5},${y}a4.5,4.5 0 1 0 9,0a4.5,4.5 0 1 0 -9,0`, "map-plus"), path(`M${x - 2.5},${y}h5M${x},${y - 2.5}v5`, "map-wire")];

/**
 * The line from the top of one stack to every row of the next that it feeds.
 * @param {Column} from @param {Column} to @param {{from: string, gap: number, height: number, scale: number}} given
 */
function feeding(from, to, { from: tower, gap, height, scale }) {
  const fed = to.rows.filter(({ row }) => row.feeds === tower);
  if (!fed.length) return [];
  const last = from.rows[from.rows.length - 1];
  const top = height - (last.y + last.height) - 9 * scale;
  const x = to.x - gap / 2;
  const ends = fed.map((each) => height - (each.y + each.height / 2));
  const letter = document.createElementNS(SVG, "text");
  letter.setAttribute("class", "map-letter");
  letter.setAttribute("x", String((from.line + x) / 2));
  letter.setAttribute("y", String(top - 3));
  letter.textContent = "H";
  return [path(`M${from.line},${height - (last.y + last.height)}V${top}H${x}`, "map-feed"), path(`M${x},${Math.max(top, ...ends)}V${Math.min(top, ...ends)}`, "map-feed"),
    ...ends.flatMap((y) => [path(`M${x},${y}H${to.x - 1}`, "map-feed"), (() => { const tip = head(to.x, y, 1); tip.setAttribute("class", "map-head feed"); return tip; })()]), letter];
}
