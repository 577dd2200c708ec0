// @ts-check
/** The models in the box: what is known of them before any is loaded, their examples, and what goes along from one to another. */

/** @typedef {import("./store.js").Store} Store */

export class Family {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    const { config } = store.state;
    const { model, group, lesson, measure } = config.texts.family;
    /** @type {any[]} */
    this.members = model.filter((/** @type {any} */ member) => config.builtin.includes(member.name));
    /** @type {any[]} */
    this.groups = group.filter((/** @type {any} */ each) => this.members.some((member) => member.group === each.id));
    this.lessons = new Map(lesson.map((/** @type {any} */ each) => [each.number, each]));
    this.measures = new Map(measure.map((/** @type {any} */ each) => [each.id, each]));
  }

  /** @param {string} name */
  has(name) {
    return this.store.state.config.builtin.includes(name);
  }

  /** @param {string} name */
  member(name) {
    return this.members.find((member) => member.name === name);
  }

  /** A model's name for people. @param {string} name */
  title(name) {
    return this.member(name)?.[this.store.state.lang].title ?? name.split(/[\\/]/).slice(-2).join("/");
  }

  /** The examples of a model, the first of which it opens on. @param {string} name @returns {any[]} */
  examples(name) {
    return this.store.state.config.texts.presets.filter((/** @type {any} */ preset) => preset.model === name);
  }

  /** The same text or image as an example of other models. @param {any} preset @returns {any[]} */
  elsewhere(preset) {
    const same = (/** @type {any} */ other) => other.model !== preset.model && this.has(other.model) && this.matches(other, asked(preset));
    return this.store.state.config.texts.presets.filter(same);
  }

  /** The example that a request is. @param {any} request */
  example(request) {
    return request.target ? undefined : this.examples(request.model).find((preset) => this.matches(preset, request));
  }

  /**
   * What a model of the box begins with: what a person typed or chose, where that makes sense to it; the example in view,
   * where it has the same; else its own first example, where it has one.
   * @param {string} name @returns {{preset?: any, request?: any}}
   */
  beginning(name) {
    const { request } = this.store.state;
    const own = this.examples(name);
    const shares = this.member(name)?.shares;
    const along = Boolean(shares) && shares === this.member(request.model)?.shares;
    if (along && !this.example(request)) return { request: { ...request, model: name, dtype: null, target: null, reading: this.order(name) } };
    return { preset: (along && own.find((preset) => this.matches(preset, request))) || own[0] };
  }

  /** The order in which the words are read, where another model of the same group can read so, too. @param {string} name */
  order(name) {
    const { request } = this.store.state;
    return this.member(name)?.group === this.member(request.model)?.group ? request.reading : null;
  }

  /** @param {any} preset @param {any} request */
  matches(preset, request) {
    const wanted = asked(preset);
    return ["text", "image", "language", "reading"].every((field) => (wanted[field] || null) === (request[field] || null));
  }
}

/** What an example asks of its model. @param {any} preset */
export function asked({ model, text, image, language, reading }) {
  return { model, dtype: null, text, target: null, language: language || null, image: image || null, reading: reading || null };
}
