// The inspector's knobs: rate limits, faults, and the model's pace.

import { get, loadWorkspace, post } from "./api.js";
import { h } from "./dom.js";

const SHOWN_FIRST = [
  "chat.update",
  "chat.postMessage",
  "chat.postMessage:channel",
  "chat.startStream",
  "chat.appendStream",
  "chat.stopStream",
  "assistant.threads.setStatus",
  "chat.postEphemeral",
  "chat.delete",
];
const CALL_FAULTS = {
  error: "answer with an error code",
  status: "answer with a status",
  delay: "wait so many seconds",
  drop_before: "lose the request",
  drop_after: "take it, lose the answer",
};
const PRESETS = [
  [
    "Slack is busy: 429 on the next 3 edits",
    "fault",
    { target: "chat.update", kind: "status", count: 3, value: [429, 5] },
  ],
  [
    "The next post is taken, its answer lost",
    "fault",
    { target: "chat.postMessage", kind: "drop_after" },
  ],
  ["The next message is delivered twice", "fault", { target: "event:message", kind: "duplicate" }],
  ["Replace the sockets", "refresh", {}],
  ["Cut the model's next stream", "model", { fault: { kind: "cut", value: 40 } }],
  ["The model is busy twice", "model", { fault: { kind: "http_429", count: 2, value: 2 } }],
  ["The model thinks for 5 s", "model", { fault: { kind: "slow_first_token", value: 5 } }],
];

export class Knobs {
  constructor({ state, tried }) {
    Object.assign(this, { state, tried });
  }

  // Draw once; what is typed into a field must not be drawn over.
  draw(tab, body) {
    if (body.firstElementChild?.dataset.tab === tab) {
      if (tab === "limits") this.refreshBars(body);
      return;
    }
    const box = h("div", { "data-tab": tab, class: "knobs" }, h("p", { class: "nothing" }, "…"));
    body.replaceChildren(box);
    const draw = tab === "limits" ? this.limits(box) : this.faults(box);
    this.tried(draw).catch(() => {});
  }

  async limits(box) {
    const { limits } = await loadWorkspace();
    const names = Object.keys(limits).sort(
      (one, other) => rank(one) - rank(other) || one.localeCompare(other),
    );
    const all = h(
      "label",
      { class: "switch" },
      h("input", {
        type: "checkbox",
        checked: names.some((name) => limits[name].enabled),
        on: {
          change: (event) => this.setLimit({ method: "*", enabled: event.target.checked }, box),
        },
      }),
      " Slack's rate limits apply",
    );
    const isFirst = (name) => SHOWN_FIRST.includes(name) || this.state.budget.has(name);
    const rows = (wanted) =>
      names.filter(wanted).map((name) => this.limit(name, limits[name], box));
    const others = h(
      "details",
      {},
      h("summary", {}, "All other methods"),
      rule(rows((name) => !isFirst(name))),
    );
    const wasOpen = box.querySelector("details")?.open ?? false;
    others.open = wasOpen;
    box.replaceChildren(all, rule(rows(isFirst)), others);
  }

  limit(name, rule, box) {
    const set = (field) => (event) => {
      const value = Number(event.target.value);
      const change = {
        method: name,
        per_minute: rule.per_minute,
        burst: rule.burst,
        shape: rule.shape,
        enabled: rule.enabled,
        [field]: value,
      };
      if (value > 0) this.setLimit(change, box);
    };
    const number = (field, label) =>
      h("input", {
        type: "number",
        min: "1",
        step: "1",
        value: rule[field],
        "aria-label": `${name}: ${label}`,
        on: { change: set(field) },
      });
    const isOff = !rule.enabled;
    return h(
      "tr",
      { class: isOff ? "off" : null },
      h("td", { class: "method" }, breakable(name)),
      h("td", { class: "number", "data-left": name }, isOff ? "off" : Math.floor(rule.left ?? 0)),
      h("td", {}, number("per_minute", "calls a minute")),
      h("td", {}, number("burst", "calls at once")),
    );
  }

  async setLimit(change, box) {
    await this.tried(post("limit", change)).then(
      () => this.limits(box),
      () => {},
    );
  }

  refreshBars(body) {
    for (const cell of body.querySelectorAll("[data-left]")) {
      const left = this.state.budget.get(cell.dataset.left);
      if (left !== undefined && cell.textContent !== "off") cell.textContent = Math.floor(left);
    }
  }

  async faults(box) {
    const model = await get("model");
    const presets = PRESETS.map(([label, path, body]) =>
      h(
        "button",
        {
          type: "button",
          class: "slack-button plain",
          on: { click: (event) => this.run(event.target, path, body) },
        },
        label,
      ),
    );
    box.replaceChildren(
      h("h3", {}, "Let something go wrong"),
      h("div", { class: "presets" }, presets),
      this.callFault(),
      this.modelFault(model.kinds),
      h("h3", {}, "The model's pace"),
      this.pace("rate", "Tokens a second (0: at once)", model.rate),
      this.pace("first_token_delay", "Seconds before the first", model.first_token_delay),
    );
  }

  async run(button, path, body) {
    await this.tried(post(path, body)).then(
      () => done(button),
      () => {},
    );
  }

  callFault() {
    const methods = [
      ...new Set([
        ...SHOWN_FIRST.filter((name) => !name.includes(":")),
        ...this.state.calls.map((call) => call.method),
      ]),
    ];
    const fields = [
      select("target", "Call", Object.fromEntries(methods.map((name) => [name, name]))),
      select("kind", "Fault", CALL_FAULTS),
      input("value", "Value", "text", ""),
      input("count", "Times", "number", "1"),
    ];
    return this.form("A call to Slack", "fault", fields, (given) => ({
      ...given,
      value: valueOf(given.value),
      count: Number(given.count),
    }));
  }

  modelFault(kinds) {
    const fields = [
      select(
        "kind",
        "Fault",
        Object.fromEntries(kinds.map((kind) => [kind, kind.replaceAll("_", " ")])),
      ),
      input("value", "Value", "text", ""),
      input("count", "Times", "number", "1"),
    ];
    return this.form("The model", "model", fields, ({ kind, value, count }) => {
      const fault = { kind, count: Number(count) };
      return { fault: value === "" ? fault : { ...fault, value: Number(value) } };
    });
  }

  form(title, path, fields, read) {
    const button = h("button", { type: "submit", class: "slack-button plain" }, "Line up");
    const form = h("form", { class: "fault-form" }, h("h3", {}, title), fields, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run(button, path, read(Object.fromEntries(new FormData(form))));
    });
    return form;
  }

  pace(knob, label, value) {
    const field = input(knob, label, "number", value);
    field.addEventListener("change", (event) => {
      this.tried(post("model", { [knob]: Number(event.target.value) })).catch(() => {});
    });
    return field;
  }
}

function rule(rows) {
  const heads = ["Method", "Left", "A minute", "At once"].map((head) =>
    h("th", { scope: "col" }, head),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));
}

function rank(name) {
  const at = SHOWN_FIRST.indexOf(name);
  return at < 0 ? SHOWN_FIRST.length : at;
}

// A long name of a method may break after each of its dots.
export function breakable(name) {
  return name.split(/(?<=[.:])/).map((part, index) => [index ? h("wbr") : null, part]);
}

function valueOf(text) {
  if (text === "") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function select(name, label, options) {
  const choices = Object.entries(options).map(([value, text]) => h("option", { value }, text));
  return h("label", {}, h("span", {}, label), h("select", { name }, choices));
}

function input(name, label, type, value) {
  const limits = type === "number" ? { min: "0", step: "any" } : {};
  return h("label", {}, h("span", {}, label), h("input", { name, type, value, ...limits }));
}

function done(button) {
  const before = button.textContent;
  button.textContent = "Lined up";
  button.disabled = true;
  setTimeout(() => {
    button.textContent = before;
    button.disabled = false;
  }, 900);
}
