// @ts-check
/**
 * One matrix on a canvas. Masked cells are hatched, infinite and NaN cells have their own mark, and a colour bar says
 * what the colours mean; nothing is drawn that the array does not hold.
 *
 * @typedef {{array: string, axes: [string, string], role: string, symbol: string, tensor: import("./store.js").Tensor,
 *   x: number, y: number, cw: number, ch: number, rows: number, cols: number, transposed: boolean, output: boolean,
 *   hidden?: boolean, masked: ((r: number, c: number) => boolean) | null,
 *   marked?: (r: number, c: number) => boolean, limit: number}} Placed
 */

import { rgb } from "./colors.js";

/** Cells narrower than this, in pixels, are drawn without gaps, dots or hatching. */
const FINE = 4;

/** The value at a row and column as they are drawn. @param {Placed} plate @param {number} r @param {number} c */
export function valueAt(plate, r, c) {
  const { tensor, transposed } = plate;
  return transposed ? tensor.data[c * tensor.shape[1] + r] : tensor.data[r * tensor.shape[1] + c];
}

/** The end of the colour scale: 1 for weights and masks, else the largest finite absolute value. */
export function limitOf(/** @type {string} */ role, /** @type {import("./store.js").Tensor} */ tensor) {
  if (role === "weight" || role === "mask") return 1;
  let limit = 0;
  for (const value of tensor.data) if (Number.isFinite(value) && Math.abs(value) > limit) limit = Math.abs(value);
  return limit || 1;
}

/** @param {CanvasRenderingContext2D} context @param {string} line @param {string} ground */
function hatch(context, line, ground) {
  const tile = document.createElement("canvas");
  const ratio = window.devicePixelRatio || 1;
  tile.width = tile.height = Math.round(6 * ratio);
  const pen = /** @type {CanvasRenderingContext2D} */ (tile.getContext("2d"));
  pen.scale(ratio, ratio);
  pen.fillStyle = ground;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = line;
  pen.globalAlpha = 0.5;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const at of [-6, 0, 6]) { pen.moveTo(at, 6); pen.lineTo(at + 6, 0); }
  pen.stroke();
  const pattern = /** @type {CanvasPattern} */ (context.createPattern(tile, "repeat"));
  pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

/**
 * Draw a plate's cells.
 * @param {CanvasRenderingContext2D} context
 * @param {Placed} plate
 * @param {import("./colors.js").Colors} colors
 */
export function drawPlate(context, plate, colors) {
  const { x, y, cw, ch, rows, cols, role, limit } = plate;
  const { palette } = colors;
  const gap = Math.min(cw, ch) >= 8 ? 1 : 0;
  const pattern = hatch(context, palette.muted, palette.sunken);
  context.fillStyle = palette.line;
  context.fillRect(x - 1, y - 1, cols * cw + 2 - gap, rows * ch + 2 - gap);
  if (cw < FINE || ch < FINE) return drawFine(context, plate, colors);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const value = valueAt(plate, r, c);
      const forbidden = plate.masked?.(r, c) || value === -Infinity;
      context.fillStyle = forbidden ? pattern : Number.isNaN(value) ? palette.bad : fill(colors, role, value, limit);
      context.fillRect(x + c * cw, y + r * ch, cw - gap, ch - gap);
    }
  }
  if (role === "mask" && ch >= 6 && ch < 34) drawDots(context, plate, colors);
  if (plate.marked) drawFrames(context, plate, colors);
  if (cw >= 34 && ch >= 16) drawValues(context, plate, colors);
}

/** A frame inside each marked cell. @param {CanvasRenderingContext2D} context @param {Placed} plate @param {import("./colors.js").Colors} colors */
function drawFrames(context, plate, colors) {
  const { x, y, cw, ch, rows, cols } = plate;
  context.strokeStyle = colors.palette.good;
  context.lineWidth = 2;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      if (plate.marked?.(r, c)) context.strokeRect(x + c * cw + 1.5, y + r * ch + 1.5, cw - 4, ch - 4);
    }
  }
}

/** Cells of a few pixels: one pixel each, enlarged; forbidden ones in plain grey, allowed ones of a mask green. @param {CanvasRenderingContext2D} context @param {Placed} plate @param {import("./colors.js").Colors} colors */
function drawFine(context, plate, colors) {
  const { x, y, cw, ch, rows, cols, role, limit } = plate;
  const image = new ImageData(cols, rows);
  const ramp = colors.bytes(role === "mask" ? "stream" : role);
  const [closed, open, broken] = [colors.dark ? colors.palette.sunken : colors.palette.line, colors.palette.good, colors.palette.bad].map(rgb);
  for (let r = 0, to = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, to += 4) {
      const value = valueAt(plate, r, c);
      const fixed = plate.masked?.(r, c) || value === -Infinity ? closed : role === "mask" ? open : Number.isNaN(value) ? broken : null;
      const at = fixed ? 0 : 3 * Math.max(0, Math.min(255, Math.round(255 * (role === "weight" ? value / limit : value / limit / 2 + 0.5))));
      for (let i = 0; i < 3; i++) image.data[to + i] = fixed ? fixed[i] : ramp[at + i];
      image.data[to + 3] = 255;
    }
  }
  const small = document.createElement("canvas");
  Object.assign(small, { width: cols, height: rows });
  small.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = Math.min(cw, ch) < 1;
  context.drawImage(small, x, y, cols * cw, rows * ch);
}

/** A dot where attention is allowed. @param {CanvasRenderingContext2D} context @param {Placed} plate @param {import("./colors.js").Colors} colors */
function drawDots(context, plate, colors) {
  const { x, y, cw, ch, rows, cols } = plate;
  context.fillStyle = colors.palette.good;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      if (plate.masked?.(r, c)) continue;
      context.beginPath();
      context.arc(x + (c + 0.5) * cw - 0.5, y + (r + 0.5) * ch - 0.5, Math.max(1, ch * 0.13), 0, 7);
      context.fill();
    }
  }
}

/** @param {import("./colors.js").Colors} colors @param {string} role @param {number} value @param {number} limit */
const fill = (colors, role, value, limit) => (role === "mask" ? colors.palette.panel : colors.of(role, value, limit));

/** @param {CanvasRenderingContext2D} context @param {Placed} plate @param {import("./colors.js").Colors} colors */
function drawValues(context, plate, colors) {
  const { x, y, cw, ch, rows, cols, role, limit } = plate;
  context.font = `${Math.min(12.5, cw / 3.2, ch * 0.6)}px ${NUMBERS}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const value = valueAt(plate, r, c);
      if (plate.masked?.(r, c) || !Number.isFinite(value)) continue;
      context.fillStyle = role === "mask" ? colors.palette.good : colors.onValue(role, value, limit);
      context.fillText(role === "mask" ? "✓" : short(value, role), x + c * cw + cw / 2, y + r * ch + ch / 2 + 0.5);
    }
  }
}

export const NUMBERS = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'Noto Sans CJK SC', sans-serif";

/** A value as it stands in a cell. @param {number} value @param {string} role */
function short(value, role) {
  const text = value.toFixed(role === "weight" || Math.abs(value) < 9.995 ? 2 : 1);
  return text.replace("-0.00", "0.00").replace("-", "−");
}

/**
 * The colour bar of a plate with its numbers.
 * @param {CanvasRenderingContext2D} context
 * @param {Placed} plate
 * @param {import("./colors.js").Colors} colors
 * @param {{x: number, y: number, width: number, font: number}} at
 */
export function drawBar(context, plate, colors, { x, y, width, font }) {
  const signed = plate.role !== "weight";
  const gradient = context.createLinearGradient(x, 0, x + width, 0);
  const ramp = colors.ramp(plate.role);
  for (let i = 0; i <= 16; i++) gradient.addColorStop(i / 16, ramp[Math.round((i / 16) * 255)]);
  context.fillStyle = gradient;
  context.fillRect(x, y, width, 7);
  context.strokeStyle = colors.palette.line;
  context.strokeRect(x - 0.5, y - 0.5, width + 1, 8);
  context.fillStyle = colors.palette.muted;
  context.font = `${font * 0.88}px ${NUMBERS}`;
  context.textBaseline = "top";
  const end = plate.limit.toFixed(plate.limit < 10 ? 2 : 1);
  const marks = signed ? [[0, `−${end}`], [0.5, "0"], [1, end]] : [[0, "0"], [1, "1"]];
  for (const [t, text] of marks) {
    context.textAlign = t === 0 ? "left" : t === 1 ? "right" : "center";
    if ((t === 0.5 && width < font * 7) || (t === 0 && width < font * 4.6)) continue;
    context.fillText(String(text), x + Number(t) * width, y + 10);
  }
}
