// @ts-check
/** The parameters of a model as one bar: what they do, and how many there are of each kind. */

import { h } from "./dom.js";

/**
 * Shares in tenths of a percent that add up to the whole: what rounding left goes to those that lost most.
 * @param {number[]} counts @returns {number[]} percentages
 */
export function percentages(counts) {
  const whole = counts.reduce((sum, count) => sum + count, 0);
  const exact = counts.map((count) => (1000 * count) / whole);
  const tenths = exact.map(Math.floor);
  const left = 1000 - tenths.reduce((sum, count) => sum + count, 0);
  const order = exact.map((value, i) => ({ i, rest: value - Math.floor(value) })).sort((a, b) => b.rest - a.rest);
  for (const { i } of order.slice(0, left)) tenths[i]++;
  return tenths.map((count) => count / 10);
}

/** @param {any} card @param {import("./words.js").Words} words */
export function shares(card, words) {
  const counts = card.shares.map((/** @type {[string, number]} */ [, count]) => count);
  if (!counts.length) return null;
  const percents = percentages(counts);
  const said = (/** @type {number} */ i) => words.ui("share_title", { what: words.ui(`share_${card.shares[i][0]}`), count: counts[i].toLocaleString("en"), percent: percents[i] });
  const roles = card.shares.map((/** @type {[string, number]} */ [role]) => role);
  const bar = h("div", { class: "shares-bar", role: "img", "aria-label": roles.map((/** @type {string} */ _, /** @type {number} */ i) => said(i)).join("; ") },
    ...roles.map((/** @type {string} */ role, /** @type {number} */ i) => h("span", { class: `share share-${role}`, style: `flex: ${counts[i]} 0 1px`, title: said(i), dataset: { role, count: counts[i] } })));
  const list = h("ul", { class: "shares-list" }, ...roles.map((/** @type {string} */ role, /** @type {number} */ i) =>
    h("li", { title: said(i), dataset: { role, percent: percents[i] } }, h("i", { class: `share share-${role}` }), words.ui(`share_${role}`), h("b", {}, `${percents[i].toFixed(1)} %`))));
  return h("div", { class: "shares" }, h("p", {}, words.ui("shares_title", { count: card.parameters.toLocaleString("en") })), bar, list);
}
