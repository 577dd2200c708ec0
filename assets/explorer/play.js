// @ts-check
/**
 * Play: a walk through every stage of the run, in the order of execution. Each step first shows the text of the next stage,
 * then lets the figure follow. The selection says where the walk stands, so it goes on from wherever somebody jumps to.
 */

import { course, go, placeIn } from "./course.js";
import { calm, h } from "./dom.js";

/** How long the slow walk rests, in milliseconds: at a text by its length, at a figure always the same. */
const REST = { least: 3000, most: 20_000, letter: { en: 42, zh: 130 }, figure: 4500 };

export class Player {
  /** @param {HTMLElement} element @param {HTMLElement} root @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
  constructor(element, root, store, words) {
    this.element = element;
    this.root = root;
    this.store = store;
    this.words = words;
    /** Which part of a step is in view; nothing where nobody walks. @type {"" | "text" | "figure"} */
    this.phase = "";
    this.slow = false;
    this.timer = 0;
    document.addEventListener("keydown", (event) => this.key(event));
    store.on(["run"], () => this.stop());
    store.on(["lang"], () => this.draw());
    store.on(["selection"], () => this.followed());
  }

  /** Every step of the run in view. */
  get steps() {
    const { run, config } = this.store.state;
    if (this.of !== run) this.known = course(run, config);
    this.of = run;
    return this.known ?? [];
  }

  /** Where the walk stands. */
  get at() {
    const { selection, config } = this.store.state;
    return placeIn(this.steps, selection, config);
  }

  draw() {
    const { words, element, phase, slow } = this;
    const focused = element.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.id : "";
    const tool = (/** @type {string} */ id, /** @type {string} */ sign, /** @type {() => void} */ click) =>
      h("button", { type: "button", class: "tool", dataset: { id: `play-${id}` }, title: words.ui(`play_${id}`), "aria-label": words.ui(`play_${id}`), on: { click } }, sign);
    element.setAttribute("aria-label", words.ui("play_title"));
    this.count = h("span", { class: "play-count", role: "status" });
    const open = [
      this.count,
      tool("first", "|◂", () => this.first()),
      tool("back", "◂", () => this.back()),
      tool("next", `${words.ui("play_next_short")} ▸`, () => this.next()),
      tool(slow ? "pause" : "slow", slow ? "❙❙" : "▸▸", () => this.toggle()),
      tool("stop", "×", () => this.stop()),
    ];
    element.replaceChildren(...(phase ? open : [tool("start", `▶ ${words.ui("play_title")}`, () => this.next())]));
    if (focused) (/** @type {HTMLElement | null} */ (element.querySelector(`[data-id="${focused}"]`)) ?? /** @type {HTMLElement | null} */ (element.querySelector(phase ? "[data-id=play-next]" : "[data-id=play-start]")))?.focus();
    this.say();
  }

  /** How far it is, and what comes. */
  say() {
    const { phase, words, at, steps } = this;
    this.root.dataset.play = phase;
    if (!this.count || !phase) return;
    const end = at >= steps.length - 1 && phase === "figure";
    this.count.textContent = words.ui(end ? "play_end" : `play_at_${phase}`, { step: Math.max(at, 0) + 1, steps: steps.length });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && this.phase) return this.stop();
    if (target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]")) return;
    const pressed = event.key.toLowerCase() === "p" || (event.key === "Process" && event.code === "KeyP"); // an input method keeps the letter to itself
    if (!pressed || !this.store.state.run || this.store.state.selection.tab !== "walk") return;
    event.preventDefault();
    if (event.shiftKey) this.back();
    else this.next();
  }

  /** The next part: the text of the next stage, or the figure to the text that stands there. */
  next() {
    if (!this.store.block) return;
    if (this.phase === "text") this.show("figure");
    else if (this.at < this.steps.length - 1) this.to(this.at + 1, "text");
    else {
      this.slow = false;
      this.show("figure");
    }
    this.rest();
  }

  /** The stage before, whole. */
  back() {
    if (!this.store.block) return;
    this.to(Math.max(0, this.at - 1), "figure");
    this.rest();
  }

  /** The first stage of all. */
  first() {
    this.to(0, "text");
    this.rest();
  }

  /** @param {number} place @param {"text" | "figure"} phase */
  to(place, phase) {
    this.store.set({ held: phase === "text" });
    this.moving = true;
    go(this.store, this.steps[place]);
    this.moving = false;
    this.show(phase);
  }

  /** @param {"" | "text" | "figure"} phase */
  show(phase) {
    const changed = Boolean(this.phase) !== Boolean(phase) || this.drawn !== this.slow;
    this.phase = phase;
    this.drawn = this.slow;
    this.store.set({ held: phase === "text" });
    if (changed) this.draw();
    else this.say();
    const part = phase ? this.root.querySelector(phase === "text" ? ".explain header" : ".figure") : null;
    part?.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  /** Somebody went elsewhere: the walk goes on from there. */
  followed() {
    if (!this.phase || this.moving) return;
    const { block, stage, tab } = this.store.state.selection;
    if (tab !== "walk") return this.stop();
    const here = `${block} ${stage}`;
    if (this.phase === "text" && here !== this.last) this.show("figure");
    else this.say();
    this.last = here;
    this.rest();
  }

  /** Slowly by itself, or not any more. */
  toggle() {
    this.slow = !this.slow;
    if (this.slow && this.phase !== "text") this.next();
    else this.show(this.phase);
    this.rest();
  }

  /** In the slow walk: wait as long as one reads, then go on. */
  rest() {
    const { block, stage } = this.store.state.selection;
    this.last = `${block} ${stage}`;
    clearTimeout(this.timer);
    if (!this.slow || !this.phase) return;
    const letters = this.root.querySelector(".explain .passage")?.textContent?.length ?? 0;
    const reading = Math.min(REST.most, Math.max(REST.least, letters * REST.letter[/** @type {"en"} */ (this.words.lang)]));
    this.timer = window.setTimeout(() => this.next(), this.phase === "text" ? reading : REST.figure);
  }

  stop() {
    clearTimeout(this.timer);
    this.slow = false;
    this.show("");
  }
}
