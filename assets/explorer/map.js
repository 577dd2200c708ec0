// @ts-check
/** The map of the model in view: every stack, the layer in view open, the place of the stage in view lit. */

import { ENTRANCE, go, partOf, stagesOf } from "./course.js";
import { draw } from "./drawing.js";
import { h } from "./dom.js";
import { rowsOf } from "./floors.js";
import { shares } from "./shares.js";

/** Width of the drawing where the page has not been laid out yet, and the widest it gets. */
const [USUAL, WIDEST] = [192, 340];

export class ModelMap {
  /** @param {HTMLElement} element @param {import("./store.js").Store} store @param {import("./words.js").Words} words */
  constructor(element, store, words) {
    this.element = element;
    this.store = store;
    this.words = words;
    /** Groups of layers that were unfolded, by the name of their first layer. @type {Set<string>} */
    this.unfolded = new Set();
    this.shape = "";
    store.on(["run", "lang", "textSize", "mapFolded"], () => this.draw());
    store.on(["selection"], () => this.follow());
    let width = 0;
    new ResizeObserver(() => {
      if (element.clientWidth && element.clientWidth !== width) this.draw();
      width = element.clientWidth;
    }).observe(element);
  }

  /** The layer in view: “decoder.1”. */
  get layer() {
    return this.store.state.selection.block.split(".").slice(0, 2).join(".");
  }

  /** Draw anew where another layer opens, else only light the place. */
  follow() {
    if (!this.store.state.run) return;
    if (this.layer !== this.shape) {
      this.unfolded.clear();
      this.draw();
    } else this.mark();
  }

  draw() {
    const { store, words, element } = this;
    if (!store.state.run || !store.block) return;
    this.shape = this.layer;
    const folded = store.state.mapFolded;
    const focused = /** @type {HTMLElement | null} */ (element.contains(document.activeElement) ? document.activeElement : null);
    const again = focused?.dataset.place ?? (focused?.dataset.id === "map-fold" ? "fold" : "");
    element.setAttribute("aria-label", words.ui("map_title"));
    this.here = h("span", { class: "map-here" });
    const fold = h("button", {
      type: "button", class: "map-fold", "aria-expanded": !folded, dataset: { id: "map-fold" }, on: { click: () => store.set({ mapFolded: !folded }) },
    }, h("span", { class: "map-arrow", "aria-hidden": "true" }, folded ? "▸" : "▾"), h("strong", {}, words.ui("map_title")), folded ? this.here : null);
    element.replaceChildren(...[fold, folded ? null : this.drawing(), folded ? null : this.legend(), folded ? null : shares(store.state.run.model, words)].filter((part) => part !== null));
    this.mark();
    if (again === "fold") fold.focus();
    else if (again) (this.button(again) ?? this.lit())?.focus();
  }

  drawing() {
    const { store } = this;
    const scale = Math.min(store.state.textSize, 1.15);
    const room = this.element.clientWidth - 12;
    const width = room > 100 ? Math.min(room, WIDEST) : USUAL;
    const towers = store.state.run.map.map((/** @type {any} */ stack) => ({ stack, rows: rowsOf(stack, this.layer, this.unfolded, store.state.run.map.length > 1) }));
    const place = (/** @type {any} */ box) => this.place(box);
    return h("div", { class: "map-drawing", role: "group", "aria-label": this.words.ui("map_title"), style: `--map-scale: ${scale}`, on: { keydown: (/** @type {KeyboardEvent} */ event) => this.move(event) } },
      draw(towers, { width, scale, open: this.layer.split(".")[0], place }));
  }

  /** What the lines are. */
  legend() {
    const { map } = this.store.state.run;
    const feeds = map.some((/** @type {any} */ stack) => stack.layers.some((/** @type {any} */ layer) => layer.parts.some((/** @type {any} */ part) => part.feeds)));
    const residual = map.some((/** @type {any} */ stack) => stack.residual);
    const ids = [residual ? "map_stream" : "", feeds ? (residual ? "map_h" : "map_h_recurrent") : ""].filter(Boolean);
    return h("p", { class: "map-legend" }, ...ids.map((id) => h("span", { class: id, title: this.words.ui(`${id}_title`) }, this.words.ui(id))));
  }

  /** One place of the drawing: a button where it leads somewhere. @param {any} box */
  place(box) {
    const { words, store } = this;
    const named = box.stream && !["encoder", "decoder"].includes(store.state.run.streams[box.stream]?.label);
    const label = named && (store.state.run.map.length > 1 || store.isPatches(box.stream)) ? words.stream(box.stream) : words.ui(box.text, box.facts);
    const where = box.tower ? words.ui(`map_tower_${box.tower}`) : "";
    const name = [where, box.layer === undefined ? "" : words.ui("map_layer", { layer: box.layer }), label].filter((part, i, all) => part && all.indexOf(part) === i).join(" · ");
    const to = this.leads(box);
    const common = { class: `map-place ${box.look}`, title: name, dataset: { place: box.id, part: box.part } };
    const text = h("span", {}, label);
    if (!to) return h("div", common, text);
    return h("button", { type: "button", "aria-label": name, tabindex: -1, ...common, on: { click: to } }, text);
  }

  /** What a click does; nothing where no stage tells the place. @param {any} box @returns {(() => void) | null} */
  leads(box) {
    const { store } = this;
    const { run, config } = store.state;
    if (box.part === "folded") return () => { this.unfolded.add(box.id); this.draw(); this.button(box.first)?.focus(); };
    const block = (/** @type {string} */ name) => run.blocks.find((/** @type {any} */ each) => each.name === name);
    if (box.part === "layer") return box.blocks.length ? () => this.enter(box.blocks) : null;
    const own = (/** @type {string} */ name) => stagesOf(config, block(name), box.part)[0];
    if (!ENTRANCE.includes(box.part) && box.part !== "output") return own(box.block) ? () => go(store, { block: box.block, stage: own(box.block) }) : null;
    const here = box.blocks.filter((/** @type {string} */ name) => own(name));
    if (!here.length) return null;
    return () => {
      const name = here.includes(store.state.selection.block) ? store.state.selection.block : box.part === "output" ? here[here.length - 1] : here[0];
      go(store, { block: name, stage: own(name) });
    };
  }

  /** Into another layer: to the same kind of block and the same stage, where it has them. @param {string[]} blocks */
  enter(blocks) {
    const { selection } = this.store.state;
    const kind = selection.block.split(".").pop();
    go(this.store, { block: blocks.find((name) => name.endsWith(`.${kind}`)) ?? blocks[0], stage: selection.stage });
  }

  /** The place of the stage in view. @returns {HTMLElement | null} */
  lit() {
    const { config, selection } = this.store.state;
    const [tower] = selection.block.split(".");
    const part = partOf(config, selection.stage);
    const owners = part === "feed_forward" || part === "mlp_norm" ? [this.layer] : ENTRANCE.includes(part) || part === "output" ? [tower] : [selection.block];
    const ids = [...owners.map((owner) => `${owner}:${part}`), `${selection.block}:attention`, `${selection.block}:recurrent`, this.layer];
    return ids.map((id) => this.button(id)).find((found) => found) ?? null;
  }

  /** @param {string} id @returns {HTMLElement | null} */
  button(id) {
    return this.element.querySelector(`[data-place="${CSS.escape(id)}"]`);
  }

  mark() {
    const lit = this.lit();
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll(".map-place"))) {
      if (place === lit) place.setAttribute("aria-current", "true");
      else place.removeAttribute("aria-current");
      if (place.tagName === "BUTTON") place.tabIndex = -1;
    }
    const reached = lit?.tagName === "BUTTON" ? lit : /** @type {HTMLElement | null} */ (this.element.querySelector("button.map-place"));
    if (reached) reached.tabIndex = 0;
    if (this.here) this.here.textContent = `${this.words.block(this.store.state.selection.block)} · ${this.words.of("stages", this.store.told(this.store.state.selection.stage)).short ?? ""}`;
  }

  /** Arrow keys go from place to place: up and down a stack, across to the nearest place of another. @param {KeyboardEvent} event */
  move(event) {
    const all = /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll("button.map-place")]);
    const at = /** @type {HTMLElement} */ (document.activeElement);
    const [dx, dy] = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key] ?? [0, 0];
    if ((!dx && !dy) || !all.includes(at)) return;
    event.preventDefault();
    const middle = (/** @type {HTMLElement} */ each) => { const box = each.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
    const [x, y] = middle(at);
    const near = all.map((each) => ({ each, by: middle(each) })).map(({ each, by }) => ({ each, along: (by[0] - x) * dx + (by[1] - y) * dy, aside: Math.abs((by[0] - x) * dy) + Math.abs((by[1] - y) * dx) }))
      .filter(({ each, along }) => each !== at && along > (dx ? 20 : 4)).sort((a, b) => a.along + a.aside - b.along - b.aside);
    near[0]?.each.focus();
  }
}
