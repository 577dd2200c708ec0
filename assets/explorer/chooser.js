// @ts-check
/** The dialogs about the models in the box: all of them by group, the idea of a model's lesson, its held-out figures. */

import { h } from "./dom.js";
import { formatted, prose } from "./words.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./words.js").Words} Words */

const CHOICES = ".choice";

export class Chooser {
  /**
   * @param {Store} store @param {Words} words @param {import("./data.js").Data} data @param {import("./models.js").Models} models
   * @param {(id: string) => void} dialog
   */
  constructor(store, words, data, models, dialog) {
    this.store = store;
    this.words = words;
    this.data = data;
    this.models = models;
    this.family = models.family;
    this.dialog = dialog;
    this.about = ""; // the model whose idea is told
  }

  /** The button at the top: which model is in view, and the way to the others. */
  button() {
    const { model } = this.store.state.request;
    const title = this.family.title(model);
    return h("button", { type: "button", class: "tool chosen", value: model, "aria-haspopup": "dialog", "aria-label": `${this.words.ui("model")}: ${title}`, title: this.line(model), dataset: { id: "model" }, on: { click: () => this.dialog("choice") } },
      h("span", {}, title), h("span", { "aria-hidden": "true" }, "▾"));
  }

  /** @param {string} name */
  line(name) {
    return this.family.member(name)?.[this.words.lang].line ?? name;
  }

  /** Every model: the family by group, those that are open, and the way to any other. */
  all() {
    const { words, store, family } = this;
    const opened = store.state.models.filter((/** @type {any} */ card) => !card.builtin);
    const groups = family.groups.map((group) => this.section(group[words.lang], family.members.filter((member) => member.group === group.id).map((member) => this.member(member))));
    const others = opened.length ? [this.section(words.ui("models_opened"), opened.map((/** @type {any} */ card) => h("li", {}, this.choice(card.name, this.models.dtype(card), [h("strong", {}, family.title(card.name)), h("span", { class: "says" }, card.architecture)]))))] : [];
    const another = h("button", { type: "button", class: "choice quiet", dataset: { id: "another" }, on: { click: () => this.dialog("another") } }, words.ui("models_other"));
    return [h("p", { class: "hint" }, words.ui("models_hint")), h("div", { class: "family", on: { keydown: (/** @type {KeyboardEvent} */ event) => this.move(event) } }, ...groups, ...others, another)];
  }

  /** @param {string} title @param {HTMLElement[]} rows */
  section(title, rows) {
    return h("section", {}, h("h3", {}, title), h("ul", {}, ...rows));
  }

  /** @param {any} member */
  member(member) {
    const { words, family } = this;
    const said = member[words.lang];
    const lesson = family.lessons.get(member.lesson);
    const look = h("button", { type: "button", class: "look", "aria-label": `${said.title}: ${this.lesson(lesson)}`, title: this.lesson(lesson), dataset: { look: member.name }, on: { click: () => this.tell(member.name) } }, words.ui("lesson_n", { number: lesson.number }));
    return h("li", {}, this.choice(member.name, null, [h("strong", {}, said.title), h("span", { class: "reads" }, said.reads), h("span", { class: "says" }, said.line)]), look);
  }

  /** @param {string} name @param {string | null} dtype @param {HTMLElement[]} inside */
  choice(name, dtype, inside) {
    const current = name === this.store.state.request.model;
    return h("button", { type: "button", class: "choice", ...(current ? { "aria-current": "true" } : {}), dataset: { model: name }, on: { click: () => this.models.start(name, dtype) } }, ...inside);
  }

  /** Arrow keys go from model to model. @param {KeyboardEvent} event */
  move(event) {
    const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll(CHOICES)]);
    const row = /** @type {HTMLElement} */ (event.target).closest("li");
    const at = all.findIndex((each) => each === event.target || (row && row.contains(each)));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length].focus();
  }

  /** @param {string} name */
  tell(name) {
    this.about = name;
    this.dialog("idea");
  }

  /** @param {any} lesson */
  lesson(lesson) {
    return `${this.words.ui("lesson_n", { number: lesson.number })} · ${lesson[this.words.lang]}`;
  }

  /** The idea of a model's lesson, and the way to the example that shows it. */
  idea() {
    const { words, family } = this;
    const member = family.member(this.about);
    const [example] = family.examples(member.name);
    const idea = prose(member[words.lang].idea);
    idea.update({});
    const go = h("button", { type: "button", class: "run", dataset: { id: "example" }, on: { click: () => this.models.start(member.name, null, example) } }, example ? words.ui("idea_open", { title: example[words.lang].title }) : words.ui("open"));
    const back = h("button", { type: "button", class: "quiet", dataset: { id: "back" }, on: { click: () => this.dialog("choice") } }, words.ui("models_all"));
    return [h("h3", { class: "lesson" }, `${member[words.lang].title} · ${this.lesson(family.lessons.get(member.lesson))}`), idea.node,
      example ? h("p", { class: "why" }, example[words.lang].why) : null, h("p", { class: "hint" }, words.ui("idea_note")), h("div", { class: "actions" }, go, back)];
  }

  /** What a model of the box was measured to do. @param {string} name */
  async figures(name) {
    const { words } = this;
    const said = (await this.data.figures(name)).figures;
    const columns = ["name", "value", "n", "asked"].filter((column) => column !== "asked" || said.some((/** @type {any} */ each) => each.asked));
    const row = (/** @type {any} */ each) => h("tr", {}, h("th", { scope: "row", title: each.name }, this.measured(each.name)), ...columns.slice(1).map((column) => h("td", {}, column === "value" ? formatted(each.value, ".3f") : String(each[column]))));
    return h("table", { class: "figures" }, h("caption", {}, words.ui("figures")),
      h("thead", {}, h("tr", {}, ...columns.map((column) => h("th", { scope: "col" }, words.ui(`figures_${column}`))))), h("tbody", {}, ...said.map(row)));
  }

  /** A figure's name for people: `exact.coref` in words, those of as many parts at once as there are. @param {string} name */
  measured(name) {
    const [said, left] = [/** @type {string[]} */ ([]), name.split(".")];
    while (left.length) {
      const ends = left.map((_, i) => left.length - i);
      const end = ends.find((length) => this.family.measures.has(left.slice(0, length).join("."))) ?? 1;
      const id = left.splice(0, end).join(".");
      said.push(this.family.measures.get(id)?.[this.words.lang] ?? id);
    }
    return said.join(this.words.ui("colon"));
  }

  /** The card's way to the idea. @param {string} name */
  link(name) {
    const lesson = this.family.lessons.get(this.family.member(name).lesson);
    return h("button", { type: "button", class: "quiet", dataset: { look: name }, on: { click: () => this.tell(name) } }, `${this.words.ui("dialog_idea")} · ${this.lesson(lesson)}`);
  }
}
