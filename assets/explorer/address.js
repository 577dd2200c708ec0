// @ts-check
/** The page's address: everything in view is in it, and opening it restores exactly that. */

import { write } from "./settings.js";
import { stagesIn, TABS } from "./store.js";

const TEXTS = ["model", "dtype", "text", "target", "to", "image", "reading", "lang", "block", "tab", "stage", "depth"];
const NUMBERS = ["head", "query", "key", "channel", "dimension", "expert", "choice", "unit", "shift", "mix"];

/** How many of a row's outputs are shown one by one (viz/outputs.py). */
const CHOICES = 10;

/** What need not be said. @type {Record<string, number | string>} */
const USUAL = { expert: 0, choice: 1, unit: 0, shift: 1, mix: 1, tab: "walk" };

/** The most hidden channels that are shown (viz/feedforward.py). */
const UNITS = 256;

/** The furthest that something is moved on, in positions. */
export const SHIFTS = 30;

/** What the address says; only what is there. @returns {Record<string, any>} */
export function read() {
  const said = new URLSearchParams(window.location.search);
  /** @type {Record<string, any>} */
  const found = {};
  for (const name of TEXTS) if (said.has(name)) found[name] = said.get(name);
  for (const name of NUMBERS) {
    const text = said.get(name);
    if (text !== null) found[name] = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  }
  return found;
}

/** The address of a state. @param {import("./store.js").Store} store */
export function link(store) {
  const { request, selection, lang, writing } = store.state;
  const address = new URL(window.location.href);
  /** @type {Record<string, any>} */
  const said = { ...request, to: request.language, language: null, lang, ...selection };
  for (const name of [...TEXTS, ...NUMBERS]) {
    if (said[name] == null || said[name] === "" || said[name] === USUAL[name]) address.searchParams.delete(name);
    else address.searchParams.set(name, String(said[name]));
  }
  if (writing) write(address, writing, selection.tab === "generate");
  return address;
}

/** Keep the address bar true, a moment after each change. @param {import("./store.js").Store} store */
export function follow(store) {
  let timer = 0;
  store.on(["selection", "request", "lang", "run", "writing"], () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => store.state.run && window.history.replaceState(null, "", link(store)), 200);
  });
}

/**
 * The address to hand to somebody else. Inside a Space the page is a frame, so the link is the Space's own.
 * @param {import("./store.js").Store} store
 */
export function shared(store) {
  const { space } = store.state.config;
  const address = link(store);
  return space ? `https://huggingface.co/spaces/${space}${address.search}` : address.href;
}

/**
 * The selection nearest to what was asked for, and the names that had to be changed.
 * @param {Record<string, any>} asked
 * @param {any} run the manifest
 * @param {any} config
 * @param {import("./store.js").Selection} fallback
 */
export function nearest(asked, run, config, fallback) {
  /** @type {string[]} */
  const wrong = [];
  /** @param {string} name @param {any[]} allowed */
  const oneOf = (name, allowed) => {
    const wanted = asked[name];
    if (wanted === undefined) return allowed.includes(/** @type {any} */ (fallback)[name]) ? /** @type {any} */ (fallback)[name] : allowed[0];
    if (allowed.includes(wanted)) return wanted;
    wrong.push(name);
    return typeof wanted === "number" && wanted > 0 ? allowed[allowed.length - 1] : allowed[0];
  };
  const upTo = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => i);
  const block = run.blocks.find((/** @type {any} */ b) => b.name === oneOf("block", run.blocks.map((/** @type {any} */ b) => b.name)));
  const tab = oneOf("tab", TABS);
  const selection = {
    block: block.name,
    head: oneOf("head", upTo(block.heads || 1)),
    query: oneOf("query", upTo(run.tokens[block.queryStream].length)),
    key: oneOf("key", upTo(run.tokens[block.keyStream].length)),
    channel: oneOf("channel", upTo(Math.max(block.dHead, block.dValue))),
    dimension: oneOf("dimension", upTo(run.model.d_model || 1)),
    expert: oneOf("expert", upTo(run.model.experts || 1)),
    choice: oneOf("choice", upTo(CHOICES)),
    unit: oneOf("unit", upTo(UNITS)),
    shift: oneOf("shift", upTo(SHIFTS + 1)),
    mix: Number.isInteger(asked.mix ?? fallback.mix) ? asked.mix ?? fallback.mix : 1,
    tab,
    stage: stageOf(asked.stage ?? fallback.stage, block, config, { tab, wrong }),
    depth: oneOf("depth", ["words", "maths", "code"]),
  };
  return { selection, wrong };
}

/**
 * A stage that a block has in a tab: the one wanted, in the walk the last one before it, or the first there is.
 * @param {string} wanted @param {any} block @param {any} config
 * @param {{tab: string, wrong?: string[]}} where the tab, and where an unknown stage is noted
 */
export function stageOf(wanted, block, config, { tab, wrong = [] }) {
  const there = stagesIn(block, tab);
  const ids = config.stages.map((/** @type {any} */ stage) => stage.id);
  const at = ids.indexOf(wanted);
  if (at < 0) wrong.push("stage");
  const before = tab === "walk" ? ids.slice(0, at + 1).reverse() : [wanted];
  return before.find((/** @type {string} */ id) => id in there) ?? Object.keys(there)[0];
}
