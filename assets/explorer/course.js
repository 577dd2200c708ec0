// @ts-check
/** Where a stage stands in the model, and the order in which a walk goes through all of them. */

import { stagesIn } from "./store.js";

/** Parts that stand at the bottom of a stack, before its layers. */
export const ENTRANCE = ["tokens", "embedding", "position"];

/** @typedef {{block: string, stage: string}} Step */

/** The part of the model that a stage belongs to. @param {any} config @param {string} stage @returns {string} */
export const partOf = (config, stage) => config.stages.find((/** @type {any} */ each) => each.id === stage)?.part ?? "attention";

/** The stages that a block has of a part, in order. @param {any} config @param {any} block @param {string} part @returns {string[]} */
export const stagesOf = (config, block, part) =>
  config.stages.filter((/** @type {any} */ each) => each.part === part && each.id in stagesIn(block, "walk")).map((/** @type {any} */ each) => each.id);

/**
 * Every stage of a run in the order of execution: what enters a stack once, before its first block; the outputs once, at
 * the end.
 * @param {any} run @param {any} config @returns {Step[]}
 */
export function course(run, config) {
  const entered = new Set();
  /** @type {Step[]} */
  const steps = [];
  /** @type {Step[]} */
  let last = [];
  for (const block of run.blocks) {
    const all = config.stages.filter((/** @type {any} */ each) => each.id in stagesIn(block, "walk"));
    const step = (/** @type {any} */ stage) => ({ block: block.name, stage: stage.id });
    const ends = all.filter((/** @type {any} */ stage) => stage.part === "output").map(step);
    if (ends.length) last = ends;
    const fresh = !entered.has(block.queryStream);
    entered.add(block.queryStream);
    steps.push(...all.filter((/** @type {any} */ stage) => stage.part !== "output" && (fresh || !ENTRANCE.includes(stage.part))).map(step));
  }
  return [...steps, ...last];
}

/**
 * Where a selection stands in a course: what enters a stack is the same for each of its blocks, and so are the outputs.
 * @param {Step[]} steps @param {Step} at @param {any} config @returns {number} the place; between two, the one before
 */
export function placeIn(steps, at, config) {
  const here = steps.findIndex((step) => step.block === at.block && step.stage === at.stage);
  if (here >= 0) return here;
  if (partOf(config, at.stage) === "output") return Math.max(steps.findIndex((step) => step.stage === at.stage), 0);
  return steps.findIndex((step) => step.block === at.block) - 1;
}

/**
 * Go to a stage of a block; head, query and key stay where they are, as far as the block has them.
 * @param {import("./store.js").Store} store @param {Step} to
 */
export function go(store, { block, stage }) {
  const { run, selection } = store.state;
  const entry = run.blocks.find((/** @type {any} */ each) => each.name === block);
  const upTo = (/** @type {string} */ part) => Math.min(selection[part], run.tokens[entry[`${part}Stream`]].length - 1);
  store.select({ block, stage, tab: "walk", head: Math.max(0, Math.min(selection.head, entry.heads - 1)), query: upTo("query"), key: upTo("key") });
  store.set({ hover: null });
}
