// @ts-check
/** The facts of positions: rows that are added, pairs that turn, numbers added to scores. `viz/positions.py` is the reference. */

import { cell, frequencyOf, row, stretchOf, sum } from "./facts.js";

/** @typedef {import("./store.js").Bundle} Bundle @typedef {import("./store.js").Selection} Selection */

/** @param {ArrayLike<number>} vector */
const length = (vector) => Math.sqrt(sum(Array.from(vector, (value) => value * value)));

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
const dot = (a, b) => sum(Array.from(a, (value, i) => value * b[i]));

/** ω of a dimension's pair of sines. @param {number} dimension @param {number} width */
export const omega = (dimension, width) => 10000 ** ((-2 * Math.floor(dimension / 2)) / width);

/** @param {any} arrays @param {Selection} at */
export function placeFacts(arrays, at) {
  return {
    step: at.shift, ...(arrays.positions?.encoding ? added(arrays.positions, at) : {}),
    ...(arrays.head?.angle && arrays.head.pair ? moved(arrays.head, at) : {}), ...(arrays.reach?.relative ? reach(arrays.reach, at) : {}),
  };
}

/** @param {Bundle} positions @param {Selection} at */
function added(positions, at) {
  const { encoding, likeness, by_distance: means, sines } = positions;
  const dimension = Math.min(at.dimension, encoding.shape[1] - 1);
  const [place, other] = [at.query, at.key].map((index) => Math.min(index, encoding.shape[0] - 1));
  const [own, others] = [row(encoding, place), row(encoding, other)];
  const apart = Math.abs(place - other);
  return {
    pe: own[dimension], pe_norm: length(own), pe_norm_other: length(others), pe_product: dot(own, others), other_place: other, apart,
    likeness: cell(likeness, place, other), likeness_mean: means.data[apart], ...(sines.data[0] ? stepped(own, place, dimension, at.shift) : {}),
  };
}

/** A pair of sines some steps on. @param {Float32Array} own @param {number} place @param {number} dimension @param {number} shift */
export function stepped(own, place, dimension, shift) {
  const frequency = omega(dimension, own.length);
  const turn = shift * frequency;
  const [cosine, sine] = [Math.cos(turn), (dimension % 2 ? -1 : 1) * Math.sin(turn)];
  const partner = own[dimension ^ 1];
  return {
    pe_pair: Math.floor(dimension / 2), pe_frequency: frequency, pe_wave: (2 * Math.PI) / frequency, pe_angle: place * frequency,
    pe_partner: partner, moved_to: place + shift, step_turn: turn, step_cos: cosine, step_sin: sine,
    pe_moved: own[dimension] * cosine + partner * sine,
  };
}

/**
 * A vector with its pairs turned as at a position.
 * @param {Bundle} head @param {Float32Array} vector @param {number} place
 */
export function turnedTo(head, vector, place) {
  const turned = Array.from(vector);
  for (let pair = 0; pair < head.pair.shape[0]; pair++) {
    const [a, b] = row(head.pair, pair);
    const angle = cell(head.angle, 0, pair) + place * frequencyOf(head, pair);
    turned[a] = vector[a] * Math.cos(angle) - vector[b] * Math.sin(angle);
    turned[b] = vector[b] * Math.cos(angle) + vector[a] * Math.sin(angle);
  }
  return turned;
}

/** Query and key both moved on, and their product there. @param {Bundle} head @param {Selection} at */
function moved(head, at) {
  const [query, key] = [turnedTo(head, row(head.query_made, at.query), at.query + at.shift), turnedTo(head, row(head.key_made, at.key), at.key + at.shift)];
  const square = stretchOf(head) ** 2;
  const pairs = new Set(head.pair.data);
  const product = sum(query.map((value, channel) => value * key[channel] * (pairs.has(channel) ? square : 1)));
  return { query_moved: at.query + at.shift, key_moved: at.key + at.shift, product_moved: product };
}

/** What a head adds from this query to this key. @param {Bundle} given @param {Selection} at */
function reach(given, at) {
  const added = cell(given.relative, at.query, at.key);
  return { reach: added, reach_factor: Math.exp(added) };
}
