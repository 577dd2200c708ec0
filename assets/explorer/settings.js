// @ts-check
/** How a model is asked to write: what may be set, within which bounds, and how the address says it. */

/**
 * `forced`: ids that a person chose for the first steps; `at`: the step in view.
 * @typedef {{strategy: string, steps: number, temperature: number, top_k: number, top_p: number, seed: number, beams: number, forced: number[], at: number}} Settings
 */

/** @type {Settings} */
export const USUAL = { strategy: "greedy", steps: 12, temperature: 1, top_k: 0, top_p: 1, seed: 0, beams: 3, forced: [], at: 0 };

/** What may be set for each strategy. @type {Record<string, string[]>} */
export const SETTINGS = { greedy: ["steps"], sample: ["steps", "temperature", "top_k", "top_p", "seed"], beam: ["steps", "beams"] };

/** @type {Record<string, {min: number, max: number, step: number}>} */
export const RANGES = {
  steps: { min: 1, max: 256, step: 1 }, temperature: { min: 0.1, max: 5, step: 0.1 }, top_k: { min: 0, max: 1000, step: 1 },
  top_p: { min: 0.05, max: 1, step: 0.05 }, seed: { min: 0, max: 4294967295, step: 1 }, beams: { min: 2, max: 8, step: 1 },
};

/** A number within its bounds; a whole one where it counts something. @param {string} name @param {number} value */
export function bounded(name, value) {
  const { min, max, step } = RANGES[name];
  return Math.min(max, Math.max(min, step === 1 ? Math.round(value) : value));
}

/** What the address says; the usual where it says nothing, or nothing that fits. @returns {Settings} */
export function read() {
  const said = new URLSearchParams(window.location.search);
  const found = { ...USUAL };
  const strategy = said.get("strategy") ?? "";
  if (strategy in SETTINGS) found.strategy = strategy;
  for (const name of Object.keys(RANGES)) {
    const text = said.get(name) ?? "";
    if (/^\d+(\.\d+)?$/.test(text)) /** @type {any} */ (found)[name] = bounded(name, Number(text));
  }
  if (/^\d{1,7}(\.\d{1,7}){0,255}$/.test(said.get("forced") ?? "")) found.forced = (said.get("forced") ?? "").split(".").map(Number);
  if (/^\d{1,3}$/.test(said.get("at") ?? "")) found.at = Number(said.get("at"));
  return found;
}

/** Say in an address what is not as usual, while the tab is in view. @param {URL} address @param {Settings} settings @param {boolean} shown */
export function write(address, settings, shown) {
  const said = /** @type {Record<string, any>} */ ({ ...settings, forced: settings.forced.join(".") });
  const usual = /** @type {Record<string, any>} */ ({ ...USUAL, forced: "" });
  const of = new Set(["strategy", "forced", "at", ...SETTINGS[settings.strategy]]);
  for (const name of Object.keys(USUAL)) {
    if (shown && of.has(name) && said[name] !== usual[name]) address.searchParams.set(name, String(said[name]));
    else address.searchParams.delete(name);
  }
}
