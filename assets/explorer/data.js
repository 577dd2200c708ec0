// @ts-check
/** The server: runs, and the binary bundles of a run by key. */

const SCHEMA = 2;
const WRITTEN = 1;
const KEPT = 60;

/** A message for the person: an id of `texts.errors` with its facts. */
export class Refusal extends Error {
  /** @param {string} id @param {Record<string, any>} [facts] */
  constructor(id, facts = {}) {
    super(id);
    this.id = id;
    this.facts = facts;
  }
}

export class Data {
  /** @param {URL} base where the routes are */
  constructor(base) {
    this.base = base;
    /** @type {Map<string, Promise<import("./store.js").Bundle>>} */
    this.bundles = new Map();
  }

  /** Words, stages, colours, models. */
  async config() {
    return (await this.ask("config")).json();
  }

  /** The texts of the stages that other models do in another way. */
  async variants() {
    return (await this.ask("variants")).json();
  }

  /** The words a model knows. @param {string} model */
  async vocabulary(model) {
    return (await this.ask(`vocabulary?model=${encodeURIComponent(model)}`)).json();
  }

  /** What a model in the box was measured to do. @param {string} model */
  async figures(model) {
    return (await this.ask(`figures?model=${encodeURIComponent(model)}`)).json();
  }

  /** What may be opened, and what is open. */
  async models() {
    return (await this.ask("models")).json();
  }

  /** Start to open a model, ask how far it is, or give up. @param {string} path @param {any} [body] */
  async opening(path, body) {
    const said = await (await this.ask(path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) })).json();
    if (said.error && !said.state) throw new Refusal(said.error, said.facts);
    return said;
  }

  /** The name under which the server keeps an image. @param {Blob} file @returns {Promise<string>} */
  async upload(file) {
    const said = await (await this.ask("image", { method: "POST", body: file })).json();
    if (said.error) throw new Refusal(said.error, said.facts);
    return said.image;
  }

  /** The manifest of a run. @param {any} request */
  async run(request) {
    const body = JSON.stringify(request);
    const manifest = await (await this.ask("run", { method: "POST", body })).json();
    if (manifest.error) throw new Refusal(manifest.error, manifest.facts);
    if (manifest.schema !== SCHEMA) throw new Refusal("stale_key");
    return manifest;
  }

  /** What a model writes, step by step. @param {any} request */
  async generate(request) {
    const said = await (await this.ask("generate", { method: "POST", body: JSON.stringify(request) })).json();
    if (said.error) throw new Refusal(said.error, said.facts);
    if (said.schema !== WRITTEN) throw new Refusal("stale_key");
    return said;
  }

  /** How far a generation is; or end it after its present step. @param {string} id @param {boolean} [stop] */
  async writing(id, stop = false) {
    return (await this.ask(`generate/${id}`, stop ? { method: "POST" } : {})).json();
  }

  /**
   * A bundle of a run; asked for once.
   * @param {string} key
   * @param {string} path
   */
  bundle(key, path) {
    const address = `trace/${key}/${path}`;
    const found = this.bundles.get(address);
    if (found) return found;
    const asked = this.ask(address).then((response) => response.arrayBuffer()).then(parsed);
    this.bundles.set(address, asked);
    asked.catch(() => this.bundles.delete(address));
    if (this.bundles.size > KEPT) this.bundles.delete(this.bundles.keys().next().value ?? "");
    return asked;
  }

  /** @param {string} address @param {RequestInit} [options] */
  async ask(address, options) {
    const response = await fetch(new URL(address, this.base), options).catch(() => {
      throw new Refusal("server_down");
    });
    if (response.ok) return response;
    const said = await response.json().catch(() => ({}));
    throw new Refusal(said.error ?? (response.status >= 502 ? "server_down" : "internal"), said.facts);
  }
}

/**
 * A safetensors file: eight bytes of header length, a JSON header, then the arrays.
 * @param {ArrayBuffer} buffer
 */
function parsed(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  /** @type {import("./store.js").Bundle} */
  const bundle = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const bytes = buffer.slice(8 + length + from, 8 + length + to);
    bundle[name] = { name, dtype, shape, data: dtype === "F32" ? new Float32Array(bytes) : new Uint8Array(bytes) };
  }
  return bundle;
}
