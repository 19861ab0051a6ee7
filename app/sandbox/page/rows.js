// One message → one row. A row is drawn anew at each change and patched in place.

import { content } from "./blocks.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

const REACTIONS = {
  thumbsup: "👍",
  "+1": "👍",
  eyes: "👀",
  tada: "🎉",
  heart: "❤️",
  white_check_mark: "✅",
  joy: "😂",
  rocket: "🚀",
};
const COLOURS = 8;

export function rowId(pane, message) {
  return `${pane}-${message.channel}-${message.key}`.replace(/[^\w-]/g, "_");
}

export function avatar(person, { small = false } = {}) {
  const name = person?.name ?? "?";
  const look = person?.isBot ? "bot" : `colour-${hash(person?.id ?? name) % COLOURS}`;
  const letter = person?.isBot ? "✳" : ([...name][0]?.toUpperCase() ?? "?");
  return h(
    "span",
    { class: `avatar ${look}${small ? " small" : ""}`, "aria-hidden": "true" },
    letter,
  );
}

function hash(text) {
  let sum = 7;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum;
}

export function clock(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
}

export function row(message, { pane, state, isCompact, isEditing, isCurrent }) {
  const person = state.people.get(message.user) ?? { id: message.user, name: message.author };
  const look = [
    "row",
    isCompact ? "compact" : "",
    message.whisperTo ? "whisper" : "",
    message.isTombstone ? "tombstone" : "",
    message.mentionsMe(state.me) ? "mentions-me" : "",
  ];
  const props = {
    id: rowId(pane, message),
    class: look.filter(Boolean).join(" "),
    "data-key": message.key,
    "data-ts": message.ts,
    tabindex: isCurrent ? "0" : "-1",
    "aria-label": `${person.name}, ${clock(message.ts)}`,
  };
  const when = new Date(Number(message.ts) * 1000);
  const time = h(
    "time",
    { datetime: when.toISOString(), title: when.toLocaleString() },
    clock(message.ts),
  );
  return h(
    "li",
    props,
    h("div", { class: "gutter" }, isCompact ? time.cloneNode(true) : avatar(person)),
    h(
      "div",
      { class: "main" },
      message.whisperTo
        ? h("p", { class: "only-you", "data-key": "only" }, icon("eye"), " Only visible to you")
        : null,
      isCompact ? null : header(person, time),
      isEditing ? editor(message, state) : body(message, state),
      reactions(message, state),
      pane === "channel" ? threadLink(message, state) : null,
    ),
    isEditing ? null : tools(message, state, pane),
  );
}

function header(person, time) {
  return h(
    "div",
    { class: "head", "data-key": "head" },
    h("strong", { class: "author" }, person.name),
    person.isBot ? h("span", { class: "badge" }, "app") : null,
    time,
  );
}

function body(message, state) {
  const edited = message.isEdited ? h("span", { class: "edited" }, " (edited)") : null;
  return h(
    "div",
    { class: "content", "data-key": "content" },
    content(message, state.names),
    edited,
  );
}

function editor(message, state) {
  return h(
    "form",
    { class: "edit-form", "data-key": "editor", "data-keep": true },
    h("textarea", { "aria-label": "Edit your message", rows: "2" }, state.typed(message)),
    h(
      "div",
      { class: "edit-buttons" },
      h(
        "button",
        { type: "button", class: "slack-button plain", "data-do": "cancel-edit" },
        "Cancel",
      ),
      h("button", { type: "submit", class: "slack-button primary" }, "Save"),
    ),
  );
}

function reactions(message, state) {
  if (!message.reactions.length) return null;
  const chips = message.reactions.map(({ name, users }) => {
    const isMine = users.includes(state.me);
    const who = users.map((id) => state.names.person(id) ?? id).join(", ");
    const props = {
      type: "button",
      class: isMine ? "reaction mine" : "reaction",
      "data-do": "react",
      "data-name": name,
      "aria-pressed": String(isMine),
      "aria-label": `${name}: ${who}`,
      title: `${who}: :${name}:`,
    };
    return h("button", props, REACTIONS[name] ?? `:${name}:`, " ", users.length);
  });
  return h("div", { class: "reactions", "data-key": "reactions" }, chips);
}

function threadLink(message, state) {
  const status = state.status(message.channel, message.ts);
  if (!message.replies && !status) return null;
  const number = message.replies === 1 ? "1 reply" : `${message.replies} replies`;
  const users = [
    ...new Set(
      state
        .inThread(message.channel, message.ts)
        .slice(1)
        .map((reply) => reply.user),
    ),
  ];
  const faces = users.slice(0, 4).map((id) => avatar(state.people.get(id), { small: true }));
  const last = message.latest
    ? h("span", { class: "last" }, `last ${clock(message.latest)}`)
    : null;
  const what = message.replies ? [h("span", { class: "number" }, number), last] : null;
  const doing = status
    ? h("span", { class: "doing" }, `${state.bot?.name ?? "The app"} ${status}`)
    : null;
  const props = {
    type: "button",
    class: "thread-link",
    "data-do": "thread",
    "data-key": "thread-link",
  };
  return h("button", props, h("span", { class: "faces" }, faces), what, doing);
}

function tools(message, state, pane) {
  if (message.whisperTo || message.isTombstone) return null;
  const tool = (what, label, sign, extra = {}) =>
    h(
      "button",
      {
        type: "button",
        class: "tool",
        "data-do": what,
        title: label,
        "aria-label": label,
        ...extra,
      },
      sign,
    );
  const isMine = message.user === state.me;
  return h(
    "div",
    {
      class: "tools",
      "data-key": "tools",
      role: "toolbar",
      "aria-label": "What to do with this message",
    },
    tool("react", "React with thumbs up", icon("thumb"), { "data-name": "thumbsup" }),
    pane === "channel" ? tool("thread", "Reply in thread", icon("thread")) : null,
    isMine ? tool("edit", "Edit message", icon("edit")) : null,
    isMine ? tool("delete", "Delete message", icon("trash")) : null,
  );
}
