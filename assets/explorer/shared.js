// @ts-check
/** Which query heads read which key/value head: one card a key/value head, its readers small. A click opens a reader. */

import { h } from "./dom.js";
import { open, thumbnail } from "./heads.js";

/** @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
export function sharedHeads(store, words) {
  const { block } = store;
  const each = Math.floor(block.heads / block.kvHeads);
  const groups = Array.from({ length: block.kvHeads }, (_, shared) => group(store, words, shared, each));
  return h("div", { class: "shared-heads" }, ...groups);
}

/** @param {import("./store.js").Store} store @param {import("./words.js").Words} words @param {number} shared @param {number} each */
function group(store, words, shared, each) {
  const { block } = store;
  const readers = Array.from({ length: each }, (_, i) => shared * each + i);
  const mine = readers.includes(store.state.selection.head);
  const buttons = readers.map((head) => h("button", {
    type: "button", class: "thumb", "aria-pressed": head === store.state.selection.head, title: words.ui("head_n", { head }),
    "aria-label": words.ui("head_n", { head }), on: { click: () => open(store, block, head) },
  }, thumbnail(store, block, head), h("span", { class: "number" }, String(head))));
  return h("section", { class: `shared-head ${mine ? "mine" : ""}` },
    h("h3", {}, words.ui("shared_head", { head: shared })),
    h("p", { class: "hint" }, words.ui("shared_readers", { first: readers[0], last: readers[readers.length - 1], count: each })),
    h("div", { class: "thumbs" }, ...buttons));
}
