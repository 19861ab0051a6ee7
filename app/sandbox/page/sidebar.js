// Who you are, and the places you can go.

import { h, patchChildren } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./rows.js";

const HEADINGS = [
  ["Channels", (place) => !place.isTalk],
  ["Direct messages", (place) => place.isTalk],
];

export class Sidebar {
  constructor({ people, places, state, become, go }) {
    Object.assign(this, { people, places, state, become, go });
    people.addEventListener("click", (event) => this.pickPerson(event));
    people.addEventListener("keydown", (event) => step(event, people, "ArrowLeft", "ArrowRight"));
    places.addEventListener("click", (event) => this.pickPlace(event));
    places.addEventListener("keydown", (event) => step(event, places, "ArrowUp", "ArrowDown"));
    for (const kind of ["workspace", "place", "unread"]) state.on(kind, () => this.draw());
  }

  draw() {
    patchChildren(
      this.people,
      h(
        "div",
        {},
        this.state.humans.map((person) => this.person(person)),
      ),
    );
    patchChildren(
      this.places,
      h(
        "div",
        {},
        HEADINGS.map((heading) => this.section(...heading)),
      ),
    );
  }

  person(person) {
    const isMe = person.id === this.state.me;
    const told = isMe ? 0 : this.state.toldOf(person.id);
    const label = told ? `${person.name}, ${told} new` : person.name;
    const props = {
      type: "button",
      class: "person",
      role: "radio",
      "aria-checked": String(isMe),
      "aria-label": label,
      tabindex: isMe ? "0" : "-1",
      "data-person": person.id,
      "data-key": person.id,
    };
    return h(
      "button",
      props,
      avatar(person, { small: true }),
      h("span", {}, person.name),
      badge(told),
    );
  }

  section(title, belongs) {
    const places = this.state
      .placesOf(this.state.me)
      .filter(belongs)
      .sort((one, other) => one.order - other.order);
    if (!places.length) return null;
    return h(
      "section",
      { "data-key": title, "aria-label": title },
      h("h2", {}, title),
      h(
        "ul",
        {},
        places.map((place) => h("li", { "data-key": place.id }, this.place(place))),
      ),
    );
  }

  place(place) {
    const { me, channel } = this.state;
    const unread = this.state.unreadOf(me, place.id);
    const isHere = place.id === channel;
    const isNew = unread.messages > 0 || unread.told > 0;
    const label = `${place.name}${isNew ? `, ${unread.told || unread.messages} new` : ""}`;
    const props = {
      type: "button",
      class: isNew ? "place unread" : "place",
      "aria-current": isHere ? "page" : null,
      "aria-label": label,
      tabindex: isHere ? "0" : "-1",
      "data-place": place.id,
    };
    const bot = place.kind === "im" ? this.state.bot : null;
    const sign = bot
      ? avatar(bot, { small: true })
      : h("span", { class: "sign", "aria-hidden": "true" }, signOf(place));
    return h("button", props, sign, h("span", { class: "name" }, place.name), badge(unread.told));
  }

  pickPerson(event) {
    const button = event.target.closest("[data-person]");
    if (button) this.become(button.dataset.person);
  }

  pickPlace(event) {
    const button = event.target.closest("[data-place]");
    if (button) this.go(button.dataset.place);
  }
}

const SIGNS = { channel: "hash", group: "lock", mpim: "people" };

export function signOf(place) {
  return SIGNS[place.kind] ? icon(SIGNS[place.kind]) : null;
}

function badge(number) {
  return number
    ? h("span", { class: "count", "data-key": "count", "aria-hidden": "true" }, number)
    : null;
}

// The arrow keys walk through a list of which the tab key sees only one button.
function step(event, list, back, forth) {
  const by = { [back]: -1, [forth]: 1 }[event.key];
  const buttons = [...list.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const ends = { Home: 0, End: buttons.length - 1 };
  const next = buttons[by ? at + by : ends[event.key]];
  if (!next || at < 0) return;
  event.preventDefault();
  next.focus();
  if (next.getAttribute("role") === "radio") next.click();
}
