// @ts-check
/** Beam search as the tree that it is: a column per step, a line to what each hypothesis continues, and why one won. */

import { h } from "./dom.js";
import { formatted } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

const SVG = "http://www.w3.org/2000/svg";

/** How many hypotheses that ended are listed. */
const LISTED = 8;

export class BeamTree {
  /** @param {HTMLElement} element @param {Store} store @param {Words} words */
  constructor(element, store, words) {
    this.element = element;
    this.store = store;
    this.words = words;
    this.heading = h("h2", {});
    this.scroll = h("div", { class: "tree", tabindex: 0 });
    this.table = h("div", {});
    element.append(this.heading, this.scroll, this.table);
  }

  /** @param {any} said @param {number} step */
  show(said, step) {
    this.heading.textContent = this.words.ui("generate_tree_title", { beams: said.strategy.beams });
    this.draw(said.tree, step);
    this.finished(said.tree, step + 1 === said.steps.length);
  }

  /** @param {any} tree @param {number} step */
  draw(tree, step) {
    const { palette } = this.store.state.colors;
    const scale = this.store.state.textSize;
    const [wide, high] = [132 * scale, 27 * scale];
    const last = tree.winner.length - 1 === step ? tree.steps.length - 1 : step; // when all is written, all that was looked at
    const shown = tree.steps.slice(0, last + 1).map((/** @type {any[]} */ branches) => branches.map((branch, i) => ({ ...branch, i })).filter((branch) => branch.total !== null && (branch.goesOn || branch.score !== null)));
    const rows = Math.max(...shown.map((/** @type {any[]} */ each) => each.length));
    const svg = document.createElementNS(SVG, "svg");
    const make = (/** @type {string} */ tag, /** @type {Record<string, any>} */ attributes, text = "") => {
      const node = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
      node.textContent = text;
      svg.append(node);
      return node;
    };
    svg.setAttribute("width", String(shown.length * wide + 20));
    svg.setAttribute("height", String(rows * high + 8));
    const y = (/** @type {number} */ row) => row * high + high / 2 + 4;
    shown.forEach((/** @type {any[]} */ branches, /** @type {number} */ at) => branches.forEach((branch, row) => {
      const won = tree.winner[at] === branch.i;
      const from = at ? shown[at - 1].findIndex((/** @type {any} */ each) => each.i === branch.parent) : 0;
      const x = at * wide + 10;
      if (at) make("path", { d: `M ${x - wide + 104 * scale} ${y(Math.max(from, 0))} C ${x - 14} ${y(Math.max(from, 0))} ${x - 14} ${y(row)} ${x} ${y(row)}`, fill: "none", stroke: won ? palette.weight : palette.line, "stroke-width": won ? 3 : 1.5 });
      make("rect", { x, y: y(row) - high * 0.42, width: 104 * scale, height: high * 0.84, rx: 6, fill: palette.panel, stroke: won ? palette.weight : branch.score !== null ? palette.good : palette.line, "stroke-width": won ? 2.5 : 1 });
      make("text", { x: x + 6, y: y(row) + 4 * scale, fill: palette.ink, "font-size": 12.5 * scale, "font-weight": won ? 650 : 400 }, shortened(branch.text));
      make("text", { x: x + 98 * scale, y: y(row) + 4 * scale, fill: palette.muted, "font-size": 11.5 * scale, "text-anchor": "end" }, formatted(branch.total, ".2f"));
    }));
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", this.words.ui("generate_tree_label", { steps: shown.length }));
    this.scroll.replaceChildren(svg);
    this.scroll.scrollLeft = Math.max(0, (step + 1) * wide - this.scroll.clientWidth);
  }

  /** Why the winner won: every hypothesis that ended, its sum, its length, its score. @param {any} tree @param {boolean} over */
  finished(tree, over) {
    const { words } = this;
    if (!over) return this.table.replaceChildren(h("p", { class: "hint" }, words.ui("generate_tree_hint")));
    const rows = tree.finished.slice(0, LISTED).map((/** @type {number[]} */ [step, number], /** @type {number} */ place) => {
      const branch = tree.steps[step][number];
      const written = path(tree, step, number).map((each) => each.text).join(" ");
      return h("tr", { class: `output ${place === 0 ? "chosen" : ""}` }, h("th", { scope: "row" }, written),
        ...[formatted(branch.total, ".3f"), String(step + 1), formatted(branch.score, ".3f")].map((text) => h("td", { class: "logit" }, text)));
    });
    const titles = ["text", "sum", "length", "score"].map((id) => h("th", { scope: "col" }, words.ui(`generate_tree_${id}`)));
    const [best] = tree.finished;
    const branch = tree.steps[best[0]][best[1]];
    const facts = { logs: formatted(branch.total, ".3f"), length: best[0] + 1, penalty: tree.penalty, points: formatted(branch.score, ".3f"), others: tree.finished.length - 1 };
    this.table.replaceChildren(h("div", { class: "outputs" }, h("table", {}, h("thead", {}, h("tr", {}, ...titles)), h("tbody", {}, ...rows)), h("p", {}, words.ui("generate_tree_why", facts))));
  }
}

/** @param {string} text */
const shortened = (text) => ([...text].length > 9 ? `${[...text].slice(0, 8).join("")}…` : text);

/** The branches that lead to one. @param {any} tree @param {number} step @param {number} number */
function path(tree, step, number) {
  const found = [];
  for (let at = step, i = number; at >= 0; at--) {
    found.unshift(tree.steps[at][i]);
    i = tree.steps[at][i].parent;
  }
  return found;
}
