// @ts-check
/**
 * The one state of the page. Views subscribe to the parts they show; a change tells each of them once.
 *
 * @typedef {{block: string, head: number, query: number, key: number, channel: number, dimension: number, expert: number,
 *            choice: number, unit: number, shift: number, mix: number, tab: string, stage: string, depth: string}} Selection
 * @typedef {{head?: number, query?: number, key?: number, channel?: number, dimension?: number, expert?: number, choice?: number, unit?: number}} Cell
 * @typedef {{name: string, dtype: string, shape: number[], data: any}} Tensor
 * @typedef {Record<string, Tensor>} Bundle
 */

/** The axis of a plate → the part of the selection that lies on it. */
export const PART = { query: "query", key: "key", d_head: "channel", d_value: "channel", unit: "channel", d_model: "dimension", position: "query", other: "key", expert: "expert", choice: "choice", d_hidden: "unit", head: "head" };

/** The tabs of the page, in order. */
export const TABS = ["walk", "positions", "generate"];

/** Stage → the text that tells it, of a block in a tab; of the walk where the tab has nothing for it. @param {any} block @param {string} tab @returns {Record<string, string>} */
export const stagesIn = (block, tab) => (tab === "positions" && Object.keys(block.positions).length ? block.positions : block.stages);

export class Store {
  /** @param {Record<string, any>} state */
  constructor(state) {
    this.state = state;
    /** @type {{parts: Set<string>, listener: () => void}[]} */
    this.listeners = [];
  }

  /**
   * Call `listener` when any of these parts changes, until what is given back is called.
   * @param {string[]} parts
   * @param {() => void} listener
   */
  on(parts, listener) {
    const entry = { parts: new Set(parts), listener };
    this.listeners.push(entry);
    return () => void (this.listeners = this.listeners.filter((each) => each !== entry));
  }

  /** @param {Record<string, any>} changes */
  set(changes) {
    const changed = Object.keys(changes).filter((part) => this.state[part] !== changes[part]);
    if (!changed.length) return;
    Object.assign(this.state, changes);
    for (const { parts, listener } of this.listeners) if (changed.some((part) => parts.has(part))) listener();
  }

  /** Change some of the selection. @param {Partial<Selection>} changes */
  select(changes) {
    const selection = { ...this.state.selection, ...changes };
    if (JSON.stringify(selection) !== JSON.stringify(this.state.selection)) this.set({ selection });
  }

  /** What is pointed at: the pinned cell, else the one under the pointer, else the chosen one. @returns {Selection} */
  get active() {
    const { selection, hover, pinned } = this.state;
    return pinned || !hover ? selection : { ...selection, ...hover };
  }

  /** The block in view. @returns {any} */
  get block() {
    return this.state.run?.blocks.find((/** @type {any} */ block) => block.name === this.state.selection.block);
  }

  /** The stage in view. @returns {any} */
  get stage() {
    return this.state.config.stages.find((/** @type {any} */ stage) => stage.id === this.state.selection.stage);
  }

  /** Whether the tab in view has nothing to show for the block in view. */
  get isEmpty() {
    const { block } = this;
    return this.state.selection.tab === "positions" && Boolean(block) && !Object.keys(block.positions).length;
  }

  /** The stages that the block in view has in this tab, in order. @returns {any[]} */
  get stages() {
    const has = this.block ? stagesIn(this.block, this.state.selection.tab) : {};
    return this.state.config.stages.filter((/** @type {any} */ stage) => stage.id in has);
  }

  /** The text that tells a stage of the block in view. @param {string} stage @returns {string} */
  told(stage) {
    return (this.block && stagesIn(this.block, this.state.selection.tab)[stage]) ?? stage;
  }

  /** Tokens of a stream. @param {string} stream @returns {any[]} */
  tokens(stream) {
    return this.state.run?.tokens[stream] ?? [];
  }

  /** A token as a row's label: a decoder row reads one token and predicts another. @param {string} stream @param {number} index */
  label(stream, index) {
    const text = this.tokens(stream)[index]?.text ?? "";
    const predicted = this.predicted(stream, index);
    return predicted ? `${text} → ${predicted}` : text;
  }

  /** What a row predicts: the next token, or what belongs in the place of a masked one. @param {string} stream @param {number} index */
  predicted(stream, index) {
    const { run } = this.state;
    if (!run || run.predicting !== stream || (run.predicts === "same" && !/mask/i.test(this.tokens(stream)[index]?.text))) return "";
    return run.predictions[index] ?? "";
  }

  /** Whether a stream is made of the patches of an image. @param {string} stream */
  isPatches(stream) {
    return this.state.run?.streams[stream]?.label === "patches";
  }

  /** How long an axis of the head in view is. @param {string} axis */
  length(axis) {
    const { block } = this;
    if (axis === "position") return this.length("query");
    if (axis === "other") return this.length("key");
    if (axis === "query") return this.tokens(block.queryStream).length;
    if (axis === "key") return this.tokens(block.keyStream).length;
    if (axis === "head") return block.heads;
    if (axis === "expert") return this.state.arrays.router?.router?.shape[1] ?? 1;
    if (axis === "choice") return this.state.arrays.logits?.unembedding?.shape[1] ?? 1;
    if (axis === "d_hidden") return this.state.arrays.mlp?.up?.shape[1] ?? 1;
    if (axis === "d_model") return this.state.arrays.stream?.residual?.shape[1] ?? this.state.run.model.d_model;
    return axis === "d_value" ? block.dValue : block.dHead;
  }
}
