// @ts-check
/** The words in another order, with positions and without: how far each word's last vector moves. */

import { Refusal } from "./data.js";
import { h } from "./dom.js";
import { formatted } from "./words.js";

/** @typedef {{on: number[], off: number[] | null, order: number[], outputs: string[], refused: string}} Shuffled */

/** The nth number of a row that a seed begins, in [0, 1). @param {number} seed */
function* chance(seed) {
  let state = (seed * 0x9e3779b9) >>> 0;
  for (;;) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }
}

/**
 * A permutation that leaves special tokens where they are and keeps the pieces of a word together.
 * @param {any[]} tokens @param {number} seed @returns {number[]} which token then stands at each place; empty where nothing can move
 */
export function shuffledOrder(tokens, seed) {
  /** @type {number[][]} */
  const words = [];
  tokens.forEach((token, i) => {
    if (token.special) return;
    const before = tokens[i - 1];
    const joined = words.length && before && !before.special && token.group !== undefined && token.group === before.group;
    if (joined) words[words.length - 1].push(i);
    else words.push([i]);
  });
  if (words.length < 2) return [];
  const draw = chance(seed);
  const mixed = [...words];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(Number(draw.next().value) * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
  }
  if (mixed.every((word, i) => word === words[i])) mixed.push(/** @type {number[]} */ (mixed.shift()));
  const moved = mixed.flat();
  return tokens.map((token, i) => (token.special ? i : /** @type {number} */ (moved.shift())));
}

/** The largest |difference| of each token's vector between two runs; `order` says which token stands where in the second. @param {import("./store.js").Tensor} first @param {import("./store.js").Tensor} second @param {number[]} order */
export function moves(first, second, order) {
  const width = first.shape[1];
  const found = new Array(order.length).fill(0);
  order.forEach((token, place) => {
    for (let c = 0; c < width; c++) found[token] = Math.max(found[token], Math.abs(first.data[token * width + c] - second.data[place * width + c]));
  });
  return found;
}

export class Shuffle {
  /** @param {import("./store.js").Store} store @param {import("./words.js").Words} words @param {import("./data.js").Data} data */
  constructor(store, words, data) {
    this.store = store;
    this.words = words;
    this.data = data;
    this.element = h("div", { class: "shuffle" });
    /** @type {Map<string, Shuffled>} */
    this.known = new Map();
    this.asked = "";
  }

  get stream() {
    return this.store.block.queryStream;
  }

  /** Draw what is known, and ask for what is not. */
  update() {
    const { run, selection, request } = this.store.state;
    if (!run) return;
    const order = shuffledOrder(this.store.tokens(this.stream), selection.mix);
    const asked = `${run.key} ${this.stream} ${order.join()}`;
    const known = this.known.get(asked);
    this.show(order, known);
    if (known || asked === this.asked || !order.length) return;
    this.asked = asked;
    this.measure(run, request, order).then(
      (found) => void (this.known.set(asked, found), this.update()),
      (error) => void (this.asked = "", this.element.append(h("p", { class: "note" }, this.refusal(error)))));
  }

  /** @param {unknown} error */
  refusal(error) {
    const { id, facts } = error instanceof Refusal ? error : { id: "internal", facts: { got: String(error) } };
    if (!(error instanceof Refusal)) console.error(error);
    const { title } = this.words.of("errors", id);
    return `${title ?? id} ${facts?.got ?? ""}`;
  }

  /** Run the other order; then both orders without positions. @param {any} run @param {any} request @param {number[]} order @returns {Promise<Shuffled>} */
  async measure(run, request, order) {
    const place = run.last[this.stream];
    const given = { ...request, text: run.text, target: run.target };
    const mixed = order.join();
    const other = await this.data.run({ ...given, order: mixed });
    const vectors = (/** @type {any} */ of) => this.data.bundle(of.key, `residual/${place}`).then(({ residual }) => residual);
    const on = moves(await vectors(run), await vectors(other), order);
    try {
      const [plain, both] = await Promise.all([this.data.run({ ...given, positions: "off" }), this.data.run({ ...given, positions: "off", order: mixed })]);
      const off = moves(await vectors(plain), await vectors(both), order);
      return { on, off, order, outputs: [run.output, other.output, plain.output, both.output], refused: "" };
    } catch (error) {
      if (!(error instanceof Refusal) || error.id === "server_down") throw error;
      return { on, off: null, order, outputs: [run.output, other.output], refused: this.refusal(error) };
    }
  }

  /** @param {number[]} order @param {Shuffled | undefined} known */
  show(order, known) {
    const { store, words } = this;
    const tokens = store.tokens(this.stream);
    if (!order.length) return this.element.replaceChildren(h("p", {}, words.ui("shuffle_short")));
    const focused = this.element.contains(document.activeElement);
    const again = h("button", { type: "button", class: "quiet", dataset: { id: "again" }, on: { click: () => store.select({ mix: store.state.selection.mix + 1 }) } }, words.ui("shuffle_again"));
    const line = (/** @type {string} */ id, /** @type {number[]} */ places) => h("p", { class: "shuffle-line" }, h("span", { class: "strip-name" }, words.ui(id)), ...places.map((i) => h("span", { class: `token ${tokens[i].special ? "special" : ""} ${i === store.state.selection.query ? "is-query" : ""}` }, tokens[i].text)));
    this.element.replaceChildren(line("shuffle_before", order.map((_, i) => i)), line("shuffle_after", order), again, known ? this.table(known, tokens) : h("p", { class: "hint", role: "status" }, words.ui("shuffle_busy")), ...(known ? this.said(known) : []));
    if (focused) again.focus();
  }

  /** What follows from the numbers. @param {Shuffled} known */
  said(known) {
    const { words } = this;
    const most = (/** @type {number[]} */ values) => Math.max(...values);
    const facts = { on: most(known.on), off: known.off ? most(known.off) : 0 };
    const stays = known.off && facts.off < 1e-4 * Math.max(1, facts.on);
    const result = known.off ? words.ui(stays ? "shuffle_stays" : "shuffle_masked", facts) : known.refused;
    const outputs = known.outputs.filter(Boolean).length < known.outputs.length ? [] : known.outputs.map((text, i) => h("li", {}, h("span", { class: "hint" }, words.ui(["shuffle_output_on", "shuffle_output_on_mixed", "shuffle_output_off", "shuffle_output_off_mixed"][i])), " ", text));
    return [h("p", { class: "shuffle-said" }, result), outputs.length ? h("ul", { class: "shuffle-outputs" }, ...outputs) : null].filter((node) => node !== null);
  }

  /** @param {Shuffled} known @param {any[]} tokens */
  table(known, tokens) {
    const { words, store } = this;
    const head = ["token", "from_to", "with", "without"].map((id) => h("th", { scope: "col" }, words.ui(`shuffle_${id}`)));
    const most = Math.max(...known.on, ...(known.off ?? []), 1e-9);
    const gauge = (/** @type {number | undefined} */ value) => {
      const fill = h("div", { class: "fill" });
      fill.style.width = `${(100 * (value ?? 0)) / most}%`;
      return h("td", { class: "gauge" }, h("div", { class: "trough" }, fill), h("span", { class: "moved" }, value === undefined ? "" : value && value < 5e-4 ? formatted(value, ".0e") : formatted(value, ".3f")));
    };
    const rows = tokens.map((token, i) => h("tr", { class: i === store.state.selection.query ? "is-query" : "", on: { click: () => store.select({ query: i }) } },
      h("th", { scope: "row" }, h("span", { class: "token" }, token.text)), h("td", {}, `${i} → ${known.order.indexOf(i)}`), gauge(known.on[i]), gauge(known.off?.[i])));
    return h("table", { class: "moves" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
  }
}
