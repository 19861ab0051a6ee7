// A list of messages that keeps its place: the channel's, or one thread's.

import { h, patch } from "./dom.js";
import { row } from "./rows.js";

const SHOWN_AT_ONCE = 300;
const NEAR = 40;
const TOGETHER = 5 * 60;

export class Pane {
  // `pick` returns the messages in order; `act` is told of every click in a row.
  constructor(name, { state, list, scroller, jump, empty, pick, act }) {
    Object.assign(this, { name, state, list, scroller, jump, empty, pick, act });
    this.limit = SHOWN_AT_ONCE;
    this.sticks = true;
    this.isStale = false;
    this.changed = new Set();
    this.editing = null;
    this.current = null;
    this.since = null;
    this.scroller.addEventListener("scroll", () => this.scrolled());
    this.jump.addEventListener("click", () => this.toBottom());
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.list.addEventListener("submit", (event) => this.submitted(event));
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("focusin", (event) => this.focused(event));
    new ResizeObserver(() => this.settle()).observe(this.list);
    new ResizeObserver(() => this.settle()).observe(this.scroller);
  }

  // Show another place: everything is drawn at once, the newest in view.
  open(since = null) {
    Object.assign(this, { limit: SHOWN_AT_ONCE, sticks: true, editing: null, since });
    this.current = null;
    this.list.replaceChildren();
    this.draw();
    this.toBottom();
  }

  touch(key) {
    this.changed.add(key);
    this.soon();
  }

  rearrange() {
    this.isStale = true;
    this.soon();
  }

  soon() {
    if (this.pending) return;
    this.pending = true;
    const draw = () => {
      this.pending = false;
      this.draw();
    };
    if (document.hidden) setTimeout(draw, 100);
    else requestAnimationFrame(draw);
  }

  draw() {
    const messages = this.pick();
    this.place(this.lines(messages));
    this.changed.clear();
    this.isStale = false;
    if (this.empty) this.empty.hidden = messages.length > 0;
    this.settle();
  }

  // The rows and what stands between them, each with its key.
  lines(messages) {
    const wanted = [];
    const first = this.name === "thread" ? 1 : 0;
    const hidden = Math.max(0, messages.length - first - this.limit);
    let before = null;
    let today = null;
    let isMarked = false;
    for (const [index, message] of messages.entries()) {
      if (hidden && index === first) wanted.push({ key: "more", draw: () => more(hidden) });
      if (index >= first && index < first + hidden) continue;
      const day = dayOf(message.ts);
      if (day !== today) {
        wanted.push({ key: `day-${day}`, draw: () => separator(day, `day-${day}`) });
        before = null;
        today = day;
      }
      if (this.since && !isMarked && message.ts >= this.since) {
        wanted.push({ key: "new", draw: () => separator("New", "new") });
        before = null;
        isMarked = true;
      }
      const isCompact = Boolean(before && isTogether(before, message));
      wanted.push({ key: message.key, message, isCompact });
      before = index < first ? null : message;
    }
    return wanted;
  }

  place(wanted) {
    const keys = new Set(wanted.map((line) => line.key));
    for (const node of [...this.list.children]) {
      if (!keys.has(node.dataset.key)) node.remove();
    }
    const last = wanted.findLast((line) => line.message)?.key;
    if (!keys.has(this.current)) this.current = last;
    let place = this.list.firstElementChild;
    for (const line of wanted) {
      if (place?.dataset.key === line.key) {
        const node = place;
        place = place.nextElementSibling;
        if (!line.message) patch(node, line.draw());
        else if (this.isDirty(node, line)) patch(node, this.fresh(line));
      } else {
        this.list.insertBefore(line.message ? this.fresh(line) : line.draw(), place);
      }
    }
  }

  isDirty(node, line) {
    const isCompact = node.classList.contains("compact");
    return this.changed.has(line.key) || this.isStale || isCompact !== line.isCompact;
  }

  fresh({ message, isCompact }) {
    return row(message, {
      pane: this.name,
      state: this.state,
      isCompact,
      isEditing: this.editing === message.key,
      isCurrent: this.current === message.key,
    });
  }

  // Scrolling

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.sticks = scrollHeight - scrollTop - clientHeight < NEAR;
    this.jump.hidden = this.sticks;
  }

  settle() {
    if (this.sticks) this.scroller.scrollTop = this.scroller.scrollHeight;
    else this.jump.hidden = false;
  }

  toBottom() {
    this.sticks = true;
    this.jump.hidden = true;
    this.settle();
  }

  // Clicks and keys

  clicked(event) {
    const more = event.target.closest("[data-more]");
    if (more) {
      this.showMore();
      return;
    }
    const message = this.messageAt(event.target);
    const doer = event.target.closest("[data-do]");
    const button = event.target.closest("[data-action]");
    if (!message) return;
    if (button) this.act("click", message, button);
    else if (doer?.dataset.do === "edit") this.edit(message);
    else if (doer?.dataset.do === "cancel-edit") this.edit(null);
    else if (doer) this.act(doer.dataset.do, message, doer);
  }

  showMore() {
    const { scrollHeight, scrollTop } = this.scroller;
    this.limit += SHOWN_AT_ONCE;
    this.draw();
    this.scroller.scrollTop = scrollTop + this.scroller.scrollHeight - scrollHeight;
  }

  submitted(event) {
    event.preventDefault();
    const message = this.messageAt(event.target);
    const text = event.target.querySelector("textarea").value.trim();
    this.edit(null);
    if (message && text && text !== this.state.typed(message)) this.act("save", message, text);
  }

  pressed(event) {
    const isWriting = event.target.nodeName === "TEXTAREA";
    if (isWriting && event.key === "Escape") this.edit(null);
    else if (isWriting && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.target.form.requestSubmit();
    } else if (!isWriting && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      this.step(event, event.key === "ArrowUp" ? -1 : 1);
    }
  }

  step(event, by) {
    const rows = [...this.list.querySelectorAll(".row")];
    const at = rows.indexOf(event.target.closest(".row"));
    const next = rows[at + by];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  focused(event) {
    const focused = event.target.closest(".row");
    if (!focused || focused.dataset.key === this.current) return;
    const before = this.current;
    this.current = focused.dataset.key;
    this.list
      .querySelector(`[data-key="${CSS.escape(before ?? "")}"]`)
      ?.setAttribute("tabindex", "-1");
    focused.setAttribute("tabindex", "0");
  }

  edit(message) {
    const before = this.editing;
    this.editing = message?.key ?? null;
    if (before) this.changed.add(before);
    if (this.editing) this.changed.add(this.editing);
    this.draw();
    const key = this.editing ?? before;
    const node = this.list.querySelector(`[data-key="${CSS.escape(key ?? "")}"]`);
    const field = node?.querySelector("textarea");
    (field ?? node)?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }

  messageAt(node) {
    const found = node.closest(".row");
    return found ? this.state.message(this.state.channel, found.dataset.key) : null;
  }
}

function isTogether(one, other) {
  const isClose = Number(other.ts) - Number(one.ts) < TOGETHER;
  const isPlain = !one.replies && !other.replies && !one.isTombstone && !other.isTombstone;
  return one.user === other.user && isClose && isPlain && one.whisperTo === other.whisperTo;
}

function dayOf(ts) {
  const date = new Date(Number(ts) * 1000);
  const today = new Date();
  const name = { weekday: "long", day: "numeric", month: "long" };
  return date.toDateString() === today.toDateString() ? "Today" : date.toLocaleDateString([], name);
}

function separator(text, key) {
  const look = key === "new" ? "separator new" : "separator";
  return h(
    "li",
    { class: look, "data-key": key, role: "separator", "aria-label": text },
    h("span", {}, text),
  );
}

function more(hidden) {
  const text = `Show earlier messages (${hidden} more)`;
  return h(
    "li",
    { class: "more", "data-key": "more" },
    h("button", { type: "button", class: "slack-button plain", "data-more": true }, text),
  );
}
