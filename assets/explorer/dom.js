// @ts-check
/** Small helpers for the document. Text from a run enters only through `textContent`. */

/**
 * An element with attributes and children. `on` maps event names to listeners; a string child is text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("aria-")) element.setAttribute(name, String(value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null).map((child) => /** @type {Node | string} */ (child)));
  return element;
}

/**
 * A canvas of the given size in CSS pixels, sharp on any screen.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D}
 */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, hgt] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hgt) {
    canvas.width = w;
    canvas.height = hgt;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * Text shortened in the middle until it fits.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 */
export function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const letters = [...text];
  for (let kept = letters.length - 1; kept > 1; kept--) {
    const short = `${letters.slice(0, Math.ceil(kept / 2)).join("")}…${letters.slice(-Math.floor(kept / 2)).join("")}`;
    if (context.measureText(short).width <= width) return short;
  }
  return `${letters[0] ?? ""}…`;
}

/**
 * One choice of several as a row of buttons that arrow keys move through.
 * @param {{label: string, options: {id: string, text: string, title?: string}[], value: string,
 *          onChange: (id: string) => void}} given
 */
export function segmented({ label, options, value, onChange }) {
  const buttons = options.map(({ id, text, title }) => h("button", {
    type: "button", role: "radio", "aria-checked": id === value, tabindex: id === value ? 0 : -1, title,
    dataset: { id }, on: { click: () => onChange(id) },
  }, text));
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = options.findIndex(({ id }) => id === value);
    onChange(options[(at + step + options.length) % options.length].id);
  };
  return h("div", { class: "segmented", role: "radiogroup", "aria-label": label, on: { keydown: move } }, ...buttons);
}

/** Whether the person asked for less motion. */
export const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
