// @ts-check
/** What one step chose from: each word's way from its logit to its share; and what a cache spared the step. */

import { h } from "./dom.js";
import { formatted } from "./words.js";

/** @typedef {import("./words.js").Words} Words */

/** A share in percent; very small ones are not called nothing. @param {number} share */
export const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1 %" : `${formatted(100 * share, ".1f")} %`);

/** @param {number | null} value */
const number = (value) => (value === null ? "−∞" : formatted(value, ".3f"));

/**
 * The words of a step as a table, and the arithmetic of the one that was chosen.
 * @param {any} said @param {number} at @param {Words} words @param {((id: number) => void) | null} other goes on from another word
 */
export function distribution(said, at, words, other) {
  const step = said.steps[at];
  const sampled = said.strategy.name === "sample";
  const titles = ["token", "logit", ...(sampled ? ["divided"] : []), "exponential", "before", ...(sampled ? ["after"] : [])];
  const rows = step.shown.map((/** @type {any} */ token) => row(token, step, { sampled, other, words }));
  const others = step.size - step.shown.length;
  if (others > 0) rows.push(rest(step, others, sampled, words));
  return [
    h("h2", {}, words.ui("generate_choice_title", { token: step.text })),
    h("table", {}, h("thead", {}, h("tr", {}, ...titles.map((id) => h("th", { scope: "col", title: words.ui(`generate_column_${id}_title`) }, words.ui(`generate_column_${id}`))))), h("tbody", {}, ...rows)),
    h("p", { class: "hint" }, words.ui(other ? "generate_click" : "generate_click_beam")),
    ...arithmetic(said, step, words),
  ];
}

/** @param {any} token @param {any} step @param {{sampled: boolean, other: ((id: number) => void) | null, words: Words}} how */
function row(token, step, { sampled, other, words }) {
  const chosen = token.id === step.id;
  const name = other && !chosen
    ? h("button", { type: "button", class: "token", dataset: { token: token.id }, title: words.ui("generate_other", { token: token.text }), on: { click: () => other(token.id) } }, token.text)
    : h("span", { class: "token" }, token.text);
  const cut = token.cut ? h("td", { class: "cut" }, words.ui(`generate_cut_${token.cut}`)) : gauge(token.after);
  return h("tr", { class: `output ${chosen ? "chosen" : ""} ${token.cut ? "ruled-out" : ""}`, dataset: { id: token.id } },
    h("th", { scope: "row" }, name), h("td", { class: "logit" }, number(token.logit)), sampled ? h("td", { class: "logit" }, number(token.divided)) : null,
    h("td", { class: "logit" }, token.cut ? "" : formatted(token.exponential, ".4f")), gauge(token.before), sampled ? cut : null);
}

/** @param {any} step @param {number} others @param {boolean} sampled @param {Words} words */
function rest(step, others, sampled, words) {
  return h("tr", { class: "output rest" }, h("th", { scope: "row" }, h("span", { class: "hint" }, words.ui("output_rest", { count: others }))),
    h("td", {}), sampled ? h("td", {}) : null, h("td", {}), gauge(step.restBefore), sampled ? gauge(step.restAfter) : null);
}

/** A share as a bar and in digits. @param {number} share */
function gauge(share) {
  const fill = h("div", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  return h("td", { class: "share" }, h("div", { class: "trough" }, fill), h("span", {}, percent(share)));
}

/** logit ÷ T → cut → exp → sum → share, with the digits of the word that was chosen. @param {any} said @param {any} step @param {Words} words */
function arithmetic(said, step, words) {
  const token = step.shown.find((/** @type {any} */ each) => each.id === step.id);
  const { name, temperature, topK, topP } = said.strategy;
  const facts = { token: token.text, logit: number(token.logit), temperature, divided: number(token.divided), largest: number(step.largest), taken: (step.largest ?? 0) < 0 ? `(${number(step.largest)})` : number(step.largest), raised: formatted(token.exponential, ".4f"), total: formatted(step.total, ".4f"), share: percent(token.after), left: step.left, size: step.size };
  const lines = ["generate_line_logit"];
  if (name === "sample") lines.push("generate_line_temperature");
  if (name === "sample" && (topK || topP < 1)) lines.push("generate_line_cut");
  lines.push("generate_line_exp", "generate_line_share", step.forced ? "generate_line_forced" : `generate_line_${name}`);
  return [h("ol", { class: "arithmetic" }, ...lines.map((id) => h("li", { class: "line now", dataset: { line: id } }, words.ui(id, facts))))];
}

/** What is kept from before and what is computed now, in positions and in numbers. @param {any} said @param {number} at @param {Words} words */
export function cacheLine(said, at, words) {
  const { kept, computed, position } = said.steps[at];
  const { perPosition, fixed } = said.cache;
  const facts = { held: kept, computed, all: position + 1, numbers: kept * perPosition, new: computed * perPosition, each: perPosition, fixed };
  const cells = Array.from({ length: perPosition ? position + 1 : 0 }, (_, i) => h("span", { class: i < kept ? "cell kept" : "cell new", title: said.run.tokens[said.stream][i]?.text }));
  const told = perPosition ? (at === 0 ? "generate_cache_prefill" : kept ? "generate_cache" : "generate_cache_none") : "generate_cache_state";
  return [
    h("h2", {}, words.ui("generate_cache_title")), h("div", { class: "cells", role: "img", "aria-label": words.ui("generate_cache_cells", facts) }, ...cells),
    h("p", {}, words.ui(told, facts)), fixed && perPosition ? h("p", { class: "hint" }, words.ui("generate_cache_source", facts)) : "",
  ].filter(Boolean);
}

/** What was written step by step beside one pass over the same text, block by block. @param {any} said @param {Words} words @param {(block: string) => string} named @param {() => void} compare */
export function comparison(said, words, named, compare) {
  const title = h("h2", {}, words.ui("generate_forcing_title"));
  if (!said.masked) return [title, h("p", {}, words.ui("generate_forcing_ask")), h("button", { type: "button", class: "tool", dataset: { id: "compare" }, on: { click: compare } }, words.ui("generate_forcing"))];
  const open = Object.entries(said.open);
  const most = formatted(Math.max(0, ...Object.values(said.masked)), ".1e");
  const shown = (/** @type {number | undefined} */ value) => h("td", {}, value === undefined ? "—" : formatted(value, ".1e"));
  const last = open[open.length - 1];
  return [
    title, h("p", {}, words.ui("generate_forcing_masked", { most })),
    h("p", {}, open.length ? words.ui("generate_forcing_open", { first: formatted(open[0][1], ".1e"), last: formatted(last[1], ".1e"), block: named(last[0]) }) : words.ui("generate_forcing_closed")),
    h("table", {}, h("thead", {}, h("tr", {}, ...["block", "masked", "open"].map((id) => h("th", { scope: "col" }, words.ui(`generate_forcing_${id}_column`))))),
      h("tbody", {}, ...Object.keys(said.masked).map((block) => h("tr", { dataset: { block } }, h("th", { scope: "row" }, named(block)), shown(said.masked[block]), shown(said.open[block]))))),
  ];
}
