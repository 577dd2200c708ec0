// @ts-check
/** Colour ramps, made from the palette that Python sends. */

/** @param {string} hex @returns {number[]} */
export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** @param {number[]} a @param {number[]} b @param {number} t */
const mix = (a, b, t) => a.map((from, i) => Math.round(from + (b[i] - from) * t));

export class Colors {
  /** @param {Record<string, string>} palette @param {boolean} dark */
  constructor(palette, dark) {
    this.palette = palette;
    this.dark = dark;
    /** @type {Map<string, string[]>} */
    this.ramps = new Map();
    /** @type {Map<string, Uint8Array>} */
    this.packed = new Map();
  }

  /** 256 colours of a role: weights from 0 to 1, anything else from −1 to 1. @param {string} role */
  ramp(role) {
    const known = this.ramps.get(role);
    if (known) return known;
    const paper = rgb(this.palette.panel);
    const high = rgb(this.palette[role] ?? this.palette.stream);
    const low = rgb(this.palette.negative);
    const ramp = Array.from({ length: 256 }, (_, i) => {
      const t = role === "weight" ? i / 255 : (i - 127.5) / 127.5;
      const end = t < 0 ? low : high;
      return `rgb(${mix(paper, end, Math.abs(t) ** 0.8).join(",")})`;
    });
    this.ramps.set(role, ramp);
    return ramp;
  }

  /** The same ramp as bytes, three a colour, for matrices of many cells. @param {string} role */
  bytes(role) {
    const known = this.packed.get(role);
    if (known) return known;
    const bytes = Uint8Array.from(this.ramp(role).flatMap((colour) => (colour.match(/\d+/g) ?? []).map(Number)));
    this.packed.set(role, bytes);
    return bytes;
  }

  /** The colour of a value. @param {string} role @param {number} value @param {number} limit */
  of(role, value, limit) {
    const t = role === "weight" ? value / limit : value / limit / 2 + 0.5;
    return this.ramp(role)[Math.max(0, Math.min(255, Math.round(t * 255)))];
  }

  /** The colour of digits written on a value. @param {string} role @param {number} value @param {number} limit */
  onValue(role, value, limit) {
    const [r, g, b] = (/** @type {string} */ (this.of(role, value, limit).match(/\d+,\d+,\d+/)?.[0])).split(",").map(Number);
    const light = 0.299 * r + 0.587 * g + 0.114 * b > 140;
    return light ? "#14171B" : "#FFFFFF";
  }

  /** Set every palette entry as a CSS variable. @param {HTMLElement} element */
  apply(element) {
    for (const [name, value] of Object.entries(this.palette)) {
      element.style.setProperty(`--${name.replaceAll("_", "-")}`, value);
    }
  }
}
