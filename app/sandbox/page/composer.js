// Where a person writes: Enter sends, Shift+Enter starts a line, @ offers names.

import { h } from "./dom.js";
import { avatar } from "./rows.js";

const drafts = new Map();

export class Composer {
  constructor(form, { state, send, editLast }) {
    Object.assign(this, { form, state, send, editLast });
    this.field = form.querySelector("textarea");
    this.chip = form.querySelector("[data-mention]");
    this.menu = form.querySelector("[role=listbox]");
    this.place = null;
    this.offered = [];
    this.picked = 0;
    form.addEventListener("submit", (event) => this.submitted(event));
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("input", () => this.written());
    this.field.addEventListener("blur", () => this.offer([]));
    this.chip.addEventListener("click", () => this.mention());
    this.menu.addEventListener("mousedown", (event) => this.chosen(event));
  }

  // Another place has its own draft.
  open(place, { label, wantsMention, isClosed }) {
    if (place !== this.place) {
      this.place = place;
      this.field.value = drafts.get(place) ?? "";
    }
    this.field.placeholder = label;
    this.field.setAttribute("aria-label", label);
    this.field.disabled = isClosed;
    this.chip.hidden = !wantsMention || isClosed;
    this.offer([]);
    this.grow();
  }

  written() {
    drafts.set(this.place, this.field.value);
    this.grow();
    this.offer(this.found());
  }

  grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, 200)}px`;
  }

  submitted(event) {
    event.preventDefault();
    const text = this.field.value.trim();
    if (!text || this.field.disabled) return;
    this.field.value = "";
    drafts.delete(this.place);
    this.offer([]);
    this.grow();
    const place = this.place;
    this.send(text).catch(() => this.giveBack(place, text));
  }

  // What could not be sent is not lost.
  giveBack(place, text) {
    if (!drafts.get(place)) drafts.set(place, text);
    if (this.place === place && !this.field.value) {
      this.field.value = text;
      this.grow();
    }
  }

  pressed(event) {
    if (event.isComposing) return;
    if (this.offered.length && this.steered(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.form.requestSubmit();
    } else if (event.key === "ArrowUp" && !this.field.value) {
      event.preventDefault();
      this.editLast();
    }
  }

  steered(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const { length } = this.offered;
    if (event.key in steps) this.point((this.picked + steps[event.key] + length) % length);
    else if (event.key === "Enter" && this.isWhole()) return false;
    else if (event.key === "Enter" || event.key === "Tab") this.complete(this.offered[this.picked]);
    else if (event.key === "Escape") this.offer([]);
    else return false;
    event.preventDefault();
    return true;
  }

  // Whether the name that is offered stands there already.
  isWhole() {
    const before = this.field.value.slice(0, this.field.selectionStart);
    return before.endsWith(`@${this.offered[this.picked].handle}`);
  }

  // The people whose name goes on from the @ before the caret.
  found() {
    const match = /(?:^|[\s(])@([\w.-]*)$/.exec(
      this.field.value.slice(0, this.field.selectionStart),
    );
    if (!match) return [];
    const start = match[1].toLowerCase();
    const people = [this.state.bot, ...this.state.humans].filter(Boolean);
    return people.filter(
      (person) => person.handle.startsWith(start) || person.name.toLowerCase().startsWith(start),
    );
  }

  offer(people) {
    const isSame =
      people.map((person) => person.id).join() === this.offered.map((person) => person.id).join();
    this.offered = people;
    this.menu.hidden = !people.length;
    this.field.setAttribute("aria-expanded", String(people.length > 0));
    if (!isSame) this.picked = 0;
    this.menu.replaceChildren(...people.map((person, index) => this.option(person, index)));
    this.point(this.picked);
  }

  option(person, index) {
    const props = { role: "option", id: `${this.menu.id}-${index}`, "data-index": index };
    return h(
      "li",
      props,
      avatar(person, { small: true }),
      h("strong", {}, person.name),
      " ",
      `@${person.handle}`,
    );
  }

  point(index) {
    this.picked = index;
    [...this.menu.children].forEach((option, at) =>
      option.setAttribute("aria-selected", String(at === index)),
    );
    const active = this.menu.children[index];
    if (active) this.field.setAttribute("aria-activedescendant", active.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  chosen(event) {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    event.preventDefault();
    this.complete(this.offered[Number(option.dataset.index)]);
  }

  complete(person) {
    const { value, selectionStart } = this.field;
    const before = value.slice(0, selectionStart).replace(/@[\w.-]*$/, `@${person.handle} `);
    this.field.value = before + value.slice(selectionStart);
    this.field.setSelectionRange(before.length, before.length);
    this.written();
  }

  mention() {
    const name = `@${this.state.bot.handle} `;
    if (!this.field.value.startsWith(name)) this.field.value = name + this.field.value;
    this.field.focus();
    this.written();
  }

  focus() {
    this.field.focus();
  }
}
