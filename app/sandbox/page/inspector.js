// Beside the talk: what the app asked of Slack, how often it edited, what is left.

import { h, patchChildren } from "./dom.js";
import { breakable, Knobs } from "./knobs.js";

const SHOWN = 120;
const REDRAW = 250;
const TABS = {
  calls: "Calls",
  edits: "Edits",
  events: "Events",
  limits: "Limits",
  faults: "Faults",
};

export class Inspector {
  constructor(panel, button, { state, feed, tried }) {
    Object.assign(this, { panel, button, state, feed });
    this.tab = "calls";
    this.knobs = new Knobs({ state, tried });
    button.addEventListener("click", () => this.toggle(panel.hidden));
    for (const kind of ["call", "delivery"]) state.on(kind, () => this.soon());
  }

  start() {
    this.tabs = h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "Inspector" },
      Object.entries(TABS).map(([id, name]) => this.tabButton(id, name)),
    );
    this.body = h("div", {
      class: "inspector-body",
      role: "tabpanel",
      id: "inspector-panel",
      tabindex: "0",
    });
    this.tabs.addEventListener("click", (event) =>
      this.pick(event.target.closest("[data-tab]")?.dataset.tab),
    );
    this.tabs.addEventListener("keydown", (event) => this.step(event));
    this.panel.append(this.tabs, this.body);
    const wished = localStorage.getItem("inspector") ?? String(innerWidth >= 1500);
    this.toggle(wished === "true", { isUser: false });
  }

  tabButton(id, name) {
    return h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${id}`,
        "data-tab": id,
        "aria-controls": "inspector-panel",
      },
      name,
    );
  }

  toggle(isOpen, { isUser = true } = {}) {
    this.panel.hidden = !isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
    document.body.classList.toggle("inspector-open", isOpen);
    if (isUser) localStorage.setItem("inspector", String(isOpen));
    if (!isOpen) return;
    this.pick(this.tab);
    if (!this.feed.wantsJournal) this.feed.loadJournal().catch(() => {});
  }

  step(event) {
    const names = Object.keys(TABS);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    this.pick(names[(names.indexOf(this.tab) + by + names.length) % names.length]);
    this.tabs.querySelector("[aria-selected=true]").focus();
  }

  pick(tab) {
    if (!tab) return;
    this.tab = tab;
    for (const button of this.tabs.children) {
      const isPicked = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(isPicked));
      button.tabIndex = isPicked ? 0 : -1;
    }
    this.body.setAttribute("aria-labelledby", `tab-${tab}`);
    this.body.replaceChildren();
    this.draw();
  }

  soon() {
    if (this.panel.hidden || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.draw();
    }, REDRAW);
  }

  draw() {
    if (this.panel.hidden) return;
    if (this.tab === "limits" || this.tab === "faults") this.knobs.draw(this.tab, this.body);
    else patchChildren(this.body, h("div", {}, this[this.tab]()));
  }

  calls() {
    const { calls } = this.state;
    if (!calls.length) return nothing("No call yet. Say something to the bot.");
    const failed = calls.filter((call) => !call.ok).length;
    const rows = calls
      .slice(-SHOWN)
      .reverse()
      .map((call) => callLine(call));
    return [
      h("p", { class: "sum" }, `${calls.length} calls, ${failed} refused`),
      table(["Time", "Method", "Answer", "Left"], rows),
    ];
  }

  edits() {
    const messages = [...this.state.edits]
      .slice(-20)
      .reverse()
      .filter(([, times]) => times.length > 1);
    if (!messages.length) return nothing("No message was edited yet.");
    return messages.map(([key, times]) => this.gaps(key, times));
  }

  gaps(key, times) {
    const [channel, ts] = key.split("/");
    const gaps = times.slice(1).map((time, index) => time - times[index]);
    const sorted = [...gaps].sort((one, other) => one - other);
    const most = Math.max(...gaps, 1);
    const words = this.state.message(channel, ts)?.text.slice(0, 60) || ts;
    const bars = gaps.slice(-60).map((gap) => {
      const look = gap < 0.99 ? "gap-bar close" : "gap-bar";
      return h("i", {
        class: look,
        title: `${gap.toFixed(2)} s`,
        style: { height: `${Math.max(6, (gap / most) * 100)}%` },
      });
    });
    const figures = `${gaps.length} ${gaps.length === 1 ? "edit" : "edits"} · closest ${sorted[0].toFixed(2)} s · median ${sorted[sorted.length >> 1].toFixed(2)} s · longest ${sorted.at(-1).toFixed(2)} s`;
    return h(
      "section",
      { class: "gaps", "data-key": key },
      h("strong", {}, words),
      h("p", {}, figures),
      h("div", { class: "bars", role: "img", "aria-label": figures }, bars),
    );
  }

  events() {
    const { deliveries } = this.state;
    if (!deliveries.length) return nothing("Nothing was delivered to the app yet.");
    const rows = deliveries
      .slice(-SHOWN)
      .reverse()
      .map((one) => deliveryLine(one));
    return table(["Time", "Event", "Via", "Answer"], rows);
  }
}

function callLine(call) {
  const isRefused = !call.ok;
  const answer = call.fault
    ? `${call.error ?? call.status} (fault: ${call.fault})`
    : (call.error ?? "ok");
  const left = call.left === null || call.left === undefined ? "–" : Math.floor(call.left);
  return h(
    "tr",
    { class: isRefused ? "bad" : null, "data-key": `${call.at}-${call.seq}` },
    h("td", {}, time(call.at)),
    h("td", { class: "method" }, breakable(call.method)),
    h("td", {}, answer),
    h("td", { class: "number" }, left),
  );
}

function deliveryLine(one) {
  const isBad = one.status < 200 || one.status >= 300;
  const name = one.attempt > 1 ? `${one.name} (try ${one.attempt})` : one.name || one.kind;
  const answer = one.status
    ? `${one.status}${one.reason ? ` ${one.reason}` : ""}`
    : one.reason || "none";
  return h(
    "tr",
    { class: isBad ? "bad" : null, "data-key": `${one.at}-${one.seq}` },
    h("td", {}, time(one.at)),
    h("td", { class: "method" }, name),
    h("td", {}, one.via),
    h("td", {}, answer),
  );
}

function table(heads, rows) {
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    h("tbody", {}, rows),
  );
}

function nothing(text) {
  return h("p", { class: "nothing" }, text);
}

function time(at) {
  const date = new Date(at * 1000);
  return `${date.toLocaleTimeString([], { hour12: false })}.${String(date.getMilliseconds()).padStart(3, "0").slice(0, 2)}`;
}
