// @ts-check
/**
 * The one state of the page. Views subscribe to the parts they show; a change tells each of them once.
 *
 * @typedef {{block: string, head: number, query: number, key: number, channel: number, dimension: number,
 *            stage: string, depth: string}} Selection
 * @typedef {{query?: number, key?: number, channel?: number, dimension?: number}} Cell
 * @typedef {{name: string, dtype: string, shape: number[], data: any}} Tensor
 * @typedef {Record<string, Tensor>} Bundle
 */

/** The axis of a plate → the part of the selection that lies on it. */
export const PART = { query: "query", key: "key", d_head: "channel", d_model: "dimension" };

export class Store {
  /** @param {Record<string, any>} state */
  constructor(state) {
    this.state = state;
    /** @type {{parts: Set<string>, listener: () => void}[]} */
    this.listeners = [];
  }

  /**
   * Call `listener` when any of these parts changes.
   * @param {string[]} parts
   * @param {() => void} listener
   */
  on(parts, listener) {
    this.listeners.push({ parts: new Set(parts), listener });
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

  /** Tokens of a stream. @param {string} stream @returns {any[]} */
  tokens(stream) {
    return this.state.run?.tokens[stream] ?? [];
  }

  /** A token as a row's label: a decoder row reads one token and predicts another. @param {string} stream @param {number} index */
  label(stream, index) {
    const text = this.tokens(stream)[index]?.text ?? "";
    return stream === "decoder" ? `${text} → ${this.state.run.predictions[index]}` : text;
  }

  /** How long an axis of the head in view is. @param {string} axis */
  length(axis) {
    const { block } = this;
    if (axis === "query") return this.tokens(block.queryStream).length;
    if (axis === "key") return this.tokens(block.keyStream).length;
    return axis === "d_model" ? this.state.run.model.d_model : this.state.run.model.d_head;
  }
}
