// @ts-check
/** Texts in both languages: looked up by id, filled with facts, set as document nodes. No prose lives in code. */

import "./katex/katex.min.js"; // sets window.katex, before anything here is drawn
import { h } from "./dom.js";

const SLOT = /\[\[(\w+)(?::([^\]]*))?\]\]/g;

/** A fact as text. @param {any} value @param {string} [format] such as `.3f`, `.2e`, `d` */
export function formatted(value, format = "") {
  if (typeof value !== "number") return String(value ?? "…");
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const [, digits, kind] = format.match(/^\.?(\d*)([fed]?)$/) ?? [];
  const places = Number(digits || 0);
  if (kind === "e") {
    const [mantissa, exponent] = value.toExponential(places).split("e");
    const sign = exponent.startsWith("-") ? "-" : "+";
    return minus(`${mantissa}e${sign}${exponent.replace(/^[+-]/, "").padStart(2, "0")}`);
  }
  return minus(kind === "f" ? value.toFixed(places) : String(value));
}

/** A true minus sign; and no minus before zero. @param {string} text */
const minus = (text) => (/^-0(\.0*)?$/.test(text) ? text.slice(1) : text.replaceAll("-", "−"));

/** A template with its facts filled in, as plain text. @param {string} template @param {Record<string, any>} facts */
export const filled = (template, facts) =>
  template.replace(SLOT, (_, name, format) => isolated(formatted(facts[name], format), name));

/** A right-to-left word must not reorder the sentence around it; Python literals stay as they are. @param {string} text @param {string} name */
const isolated = (text, name) => (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(text) && !name.endsWith("_literal") ? `\u2068${text}\u2069` : text);

/** @type {Record<string, string>} */
const ROLE = { query_token: "q", query_value: "q", key_token: "k", key_value: "k", value_value: "v", context: "v", weight: "w",
  percent: "w", top_weight: "w", second_weight: "w", top_token: "k", second_token: "k", predicted_token: "p",
  best_token: "p", choice_token: "p", word_token: "p", picked_token: "p", runner_up_token: "p", truth_token: "p", best_probability: "w", choice_probability: "w", follows_probability: "w" };

/**
 * A text whose facts can change: its nodes, and a function that sets the facts.
 * @typedef {{node: HTMLElement, update: (facts: Record<string, any>) => void}} Living
 */

/** Markdown (paragraphs, **bold**, `code`, $mathematics$) with slots. @param {string} template @returns {Living} */
export function prose(template) {
  /** @type {((facts: Record<string, any>) => void)[]} */
  const updates = [];
  const paragraphs = template.trim().split(/\n\s*\n/).map((text) => h("p", {}, ...inline(text.replaceAll("\n", " "), updates)));
  const node = h("div", { class: "passage" }, ...paragraphs);
  return { node, update: (facts) => updates.forEach((update) => update(facts)) };
}

/** One line of KaTeX with slots. @param {string} tex @returns {Living} */
export function formula(tex) {
  /** @type {((facts: Record<string, any>) => void)[]} */
  const updates = [];
  const node = mathematics(tex, updates);
  return { node, update: (facts) => updates.forEach((update) => update(facts)) };
}

/** @param {string} text @param {((facts: Record<string, any>) => void)[]} updates @returns {Node[]} */
function inline(text, updates) {
  return text.split(/(\$[^$]+\$|\*\*.+?\*\*|`[^`]+`)/).filter(Boolean).map((piece) => {
    if (piece.startsWith("$")) return mathematics(piece.slice(1, -1), updates);
    if (piece.startsWith("**")) return h("strong", {}, ...inline(piece.slice(2, -2), updates));
    if (piece.startsWith("`")) return h("code", {}, ...slots(piece.slice(1, -1), updates));
    return h("span", {}, ...slots(piece, updates));
  });
}

/** @param {string} text @param {((facts: Record<string, any>) => void)[]} updates @returns {Node[]} */
function slots(text, updates) {
  /** @type {Node[]} */
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(SLOT)) {
    nodes.push(document.createTextNode(text.slice(at, found.index)));
    const slot = h("span", { class: `slot ${ROLE[found[1]] ?? ""}` });
    updates.push((facts) => (slot.textContent = formatted(facts[found[1]], found[2])));
    nodes.push(slot);
    at = found.index + found[0].length;
  }
  nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}

/** @param {string} tex @param {((facts: Record<string, any>) => void)[]} updates */
function mathematics(tex, updates) {
  const node = h("span", { class: "tex" });
  /** @type {[string, string | undefined][]} */
  const found = [];
  const marked = tex.replace(SLOT, (_, name, format) => {
    found.push([name, format]);
    return `\\htmlClass{slot slot-${found.length - 1} ${ROLE[name] ?? ""}}{\\text{0}}`;
  });
  const katex = /** @type {any} */ (window).katex;
  katex.render(marked, node, { throwOnError: false, trust: true, strict: false, output: "html" });
  found.forEach(([name, format], i) => {
    const slot = node.querySelector(`.slot-${i}`);
    if (slot) updates.push((facts) => (slot.textContent = formatted(facts[name], format)));
  });
  return node;
}

/** Looks texts up in the language in use. */
export class Words {
  /** @param {any} texts @param {import("./store.js").Store} store */
  constructor(texts, store) {
    this.texts = texts;
    this.store = store;
  }

  get lang() {
    return this.store.state.lang;
  }

  /** A word of the page itself. @param {string} id @param {Record<string, any>} [facts] */
  ui(id, facts = {}) {
    return filled(this.texts.ui[id]?.[this.lang] ?? id, facts);
  }

  /** A class that a model tells, by its own name where it has none in this language. @param {string} name */
  label(name) {
    return this.texts.ui[`class_${name}`]?.[this.lang] ?? name;
  }

  /** Whether every stage of a block is told. @param {any} block */
  tells(block) {
    return [block.stages, block.positions].flatMap(Object.values).every((id) => id in this.texts.stages);
  }

  /** A stage, reading, error or preset in this language. @param {string} group @param {string} id */
  of(group, id) {
    const entry = this.texts[group]?.[id] ?? {};
    const said = entry[this.lang];
    return typeof said === "string" ? { ...entry, text: said } : { ...entry, ...(said ?? {}) };
  }

  /** A block's name for people: “Encoder 1 · self”; “Layer 1” where there is one stack only. @param {string} name */
  block(name) {
    const [tower, layer, kind] = name.split(".");
    const towers = new Set(this.store.state.run?.blocks.map((/** @type {any} */ block) => block.name.split(".")[0]) ?? []);
    if (towers.size < 2 && kind === "self") return this.ui("block_layer", { layer });
    return this.ui(`block_${tower}_${kind}`, { layer });
  }

  /** What a stream of tokens is called. @param {string} stream */
  stream(stream) {
    const { label, rows, columns } = this.store.state.run?.streams[stream] ?? {};
    return this.ui(`strip_${label}`, { rows, columns });
  }
}
