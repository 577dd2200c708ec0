// @ts-check
/** The tabs of the page: the same run and selection, each with another emphasis. What is chosen in one is kept in all. */

import { h } from "./dom.js";
import { stagesIn, TABS } from "./store.js";
import { arrows } from "./strips.js";

/**
 * A row of tabs. Parts of the page that stand in some tabs only name them in `data-tabs`; what stands there where a tab
 * has nothing to show for the block in view is marked `data-empty`.
 */
export class Tabs {
  /** @param {HTMLElement} element @param {HTMLElement} root @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
  constructor(element, root, store, words) {
    this.element = element;
    this.root = root;
    this.store = store;
    this.words = words;
    /** The stage that was in view in each tab. @type {Record<string, string>} */
    this.left = {};
    store.on(["lang"], () => this.draw());
    store.on(["selection", "run", "lang"], () => this.mark());
  }

  draw() {
    const { words, element } = this;
    const focused = element.contains(document.activeElement);
    element.setAttribute("aria-label", words.ui("tabs"));
    element.replaceChildren(...TABS.map((id, i) => h("button", {
      type: "button", role: "tab", class: "tab", dataset: { tab: id }, title: words.ui(`tab_${id}_title`),
      on: { click: () => this.choose(id), keydown: (/** @type {KeyboardEvent} */ event) => arrows(event, (by) => this.move(i + by)) },
    }, words.ui(`tab_${id}`))));
    this.mark();
    if (focused) this.focus();
  }

  /** @param {number} index */
  move(index) {
    if (!TABS[index]) return;
    this.choose(TABS[index]);
    this.focus();
  }

  focus() {
    /** @type {HTMLElement | null} */ (this.element.querySelector("[aria-selected=true]"))?.focus();
  }

  /** Go to a tab, to the stage that was left there. @param {string} tab */
  choose(tab) {
    const { selection } = this.store.state;
    if (tab === selection.tab || !this.store.block) return;
    this.left[selection.tab] = selection.stage;
    const there = Object.keys(stagesIn(this.store.block, tab));
    const known = [this.left[tab], selection.stage].find((stage) => there.includes(stage));
    this.store.select({ tab, stage: known ?? there[0] });
  }

  mark() {
    const { tab } = this.store.state.selection;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll(".tab"))) {
      const on = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    const empty = this.store.isEmpty;
    this.root.dataset.tab = tab;
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll("[data-tabs]"))) {
      part.hidden = !part.dataset.tabs?.split(" ").includes(tab) || (empty ? part.dataset.empty === undefined : part.dataset.empty !== undefined);
    }
  }
}

/** Why the positions of the block in view cannot be shown. @param {import("./store.js").Store} store */
export function reason(store) {
  const { run } = store.state;
  if (run.model.positions === "recurrent") return "positions_none_recurrent";
  return run.blocks.some((/** @type {any} */ block) => Object.keys(block.positions).length) ? "positions_none_block" : "positions_none";
}
