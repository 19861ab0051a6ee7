// Short notices: what Slack would notify a person of, and what went wrong.

import { h } from "./dom.js";

const LIFE = 6_000;
const MOST = 3;

export class Toasts {
  constructor(place) {
    this.place = place;
  }

  // `open` makes the notice a button.
  show(title, text, { open = null, look = "" } = {}) {
    const close = h("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    const words = [h("strong", {}, title), h("span", {}, text)];
    const inside = open
      ? h("button", { type: "button", class: "open" }, words)
      : h("div", { class: "open" }, words);
    const toast = h("div", { class: `toast ${look}` }, inside, close);
    const end = () => toast.remove();
    let timer = setTimeout(end, LIFE);
    close.addEventListener("click", end);
    toast.addEventListener("pointerenter", () => clearTimeout(timer));
    toast.addEventListener("focusin", () => clearTimeout(timer));
    toast.addEventListener("pointerleave", () => {
      timer = setTimeout(end, LIFE);
    });
    if (open) {
      inside.addEventListener("click", () => {
        end();
        open();
      });
    }
    this.place.append(toast);
    while (this.place.children.length > MOST) this.place.firstElementChild.remove();
  }

  problem(error) {
    this.show("That did not work", error.message, { look: "bad" });
  }
}
