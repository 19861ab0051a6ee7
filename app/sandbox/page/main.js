// Puts the page together: what happens changes the state, the state moves the page.

import { post } from "./api.js";
import { Composer } from "./composer.js";
import { confirmed } from "./dialog.js";
import { h } from "./dom.js";
import { Feed } from "./feed.js";
import { hint } from "./hint.js";
import { Inspector } from "./inspector.js";
import { mrkdwn } from "./mrkdwn.js";
import { Pane } from "./pane.js";
import { Sidebar, signOf } from "./sidebar.js";
import { State } from "./state.js";
import { Toasts } from "./toasts.js";

const $ = (id) => document.getElementById(id);
const PATIENCE = 400;
const NARROW = matchMedia("(max-width: 720px)");

const quietly = (doing) => doing.catch(() => {});

const state = new State();
const toasts = new Toasts($("toasts"));
const feed = new Feed(state, { problem: (error) => toasts.problem(error) });

const panes = Object.fromEntries(
  ["channel", "thread"].map((name) => [
    name,
    new Pane(name, {
      state,
      list: $(`${name}-list`),
      scroller: $(`${name}-scroller`),
      jump: $(`${name}-jump`),
      empty: name === "thread" ? $("thread-empty") : null,
      pick: () => shownIn(name),
      act: (what, message, detail) => quietly(tried(acts[what](message, detail))),
    }),
  ]),
);
const composers = Object.fromEntries(
  ["channel", "thread"].map((name) => [
    name,
    new Composer($(`${name}-composer`), {
      state,
      send: (text) => tried(say(text, name === "thread" ? state.thread : null)),
      editLast: () => editLast(name),
    }),
  ]),
);
const inspector = new Inspector($("inspector"), $("inspect"), { state, feed, tried });
new Sidebar({ people: $("people"), places: $("places"), state, become, go });

function shownIn(name) {
  if (!state.channel) return [];
  if (name === "channel") return state.inChannel(state.channel);
  return state.thread ? state.inThread(state.channel, state.thread) : [];
}

// What people do

async function tried(doing) {
  try {
    return await doing;
  } catch (error) {
    toasts.problem(error);
    throw error;
  }
}

async function say(text, thread) {
  const place = { user: state.me, channel: state.channel };
  const { ts } = await post("say", { ...place, text, ...(thread ? { thread_ts: thread } : {}) });
  panes[thread ? "thread" : "channel"].toBottom();
  const isForBot = here().kind === "im" || text.includes(`@${state.bot.handle}`);
  const isStillHere = place.user === state.me && place.channel === state.channel;
  // The answer will stand in a thread: open it, so that it is seen to grow.
  if (!thread && isForBot && here().hasBot && isStillHere) goTo({ thread: ts });
}

const at = (message) => ({ user: state.me, channel: message.channel, ts: message.ts });

const acts = {
  thread: async (message) => goTo({ thread: message.ts }, { focus: true }),
  save: (message, text) => post("edit", { ...at(message), text }),
  react: (message, button) => react(message, button.dataset.name),
  click: (message, button) => click(message, button),
  delete: async (message) => {
    const words = {
      title: "Delete this message?",
      text: "It will be gone for everybody.",
      yes: "Delete",
    };
    if (await confirmed(words)) await post("delete", at(message));
  },
};

function react(message, name) {
  const known = message.reactions.find((reaction) => reaction.name === name);
  const added = !known?.users.includes(state.me);
  return post("react", { ...at(message), name, added });
}

async function click(message, button) {
  if (button.dataset.confirm) {
    const asked = JSON.parse(button.dataset.confirm);
    const words = {
      title: asked.title?.text,
      text: asked.text?.text,
      yes: asked.confirm?.text,
      no: asked.deny?.text,
    };
    if (!(await confirmed(words))) return;
  }
  if (button.dataset.url) window.open(button.dataset.url, "_blank", "noopener,noreferrer");
  const { status } = await post("click", { ...at(message), action_id: button.dataset.action });
  // A click is told to the app once, and Slack shows a warning when nobody answers.
  if (status !== 200) throw new Error(`The app did not take the click (${status}). Is it running?`);
}

function editLast(name) {
  const mine = shownIn(name).findLast(
    (message) => message.user === state.me && !message.isTombstone,
  );
  if (mine) panes[name].edit(mine);
}

// Where people are; the address tells it, so that Back works and a link leads there.

function become(userId) {
  const own = state.placesOf(userId).find((place) => place.kind === "im");
  goTo(here().kind === "im" ? { me: userId, channel: own?.id, thread: null } : { me: userId });
}

function go(channelId) {
  document.body.classList.remove("menu-open");
  goTo({ channel: channelId, thread: null }, { focus: true });
}

function goTo(change, { focus = false } = {}) {
  const next = { me: state.me, channel: state.channel, thread: state.thread, ...change };
  const person = state.people.get(next.me);
  const hash = `#/${[person?.handle, next.channel, next.thread].filter(Boolean).join("/")}`;
  wantsFocus = focus;
  if (location.hash === hash) arrive();
  else location.hash = hash;
}

let wantsFocus = false;

function arrive() {
  const [handle, channel, thread = null] = location.hash
    .slice(2)
    .split("/")
    .map(decodeURIComponent);
  const me = state.humans.find((person) => person.handle === handle) ?? state.humans[0];
  if (me) state.go({ me: me.id, channel, thread });
}

function here() {
  return state.channels.get(state.channel) ?? { kind: "channel", name: "", hasBot: false };
}

window.addEventListener("hashchange", arrive);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && state.channel) state.read(state.me, state.channel);
});

// What the page shows

function drawHeads() {
  const place = here();
  const isIm = place.kind === "im";
  $("channel-name").replaceChildren(h("span", { class: "sign" }, signOf(place)), place.name);
  const people = (place.members ?? []).filter((id) => state.people.has(id)).length;
  $("channel-about").textContent = isIm ? "" : `${people} members`;
  $("team").textContent = state.team.name;
  $("invite").hidden = isIm || place.kind === "mpim" || !place.name;
  $("invite").textContent = place.hasBot
    ? `Remove ${state.bot?.name}`
    : `Invite ${state.bot?.name}`;
  $("thread-about").textContent = titled(place);
  composers.channel.open(`${state.me}/${state.channel}`, {
    label: `Message ${titled(place)}`,
    wantsMention: !isIm && place.hasBot,
    isClosed: place.isArchived,
  });
  composers.thread.open(`${state.me}/${state.channel}/${state.thread}`, {
    label: "Reply in this thread",
    wantsMention: !isIm && place.hasBot,
    isClosed: place.isArchived,
  });
  $("hint").replaceChildren(...hint(place, state, (text) => quietly(tried(say(text, null)))));
  $("hint").hidden = !state.channel;
}

function titled(place) {
  return place.isTalk ? place.name : `#${place.name}`;
}

function drawStatus() {
  const status = state.thread ? state.status(state.channel, state.thread) : "";
  $("thread-status").textContent = status ? `${state.bot?.name ?? "The app"} ${status}` : "";
  if (state.thread) panes.channel.touch(state.thread);
}

function drawTitle() {
  const told = state.me ? state.toldOf(state.me) : 0;
  document.title = `${told ? `(${told}) ` : ""}${here().name || "Threadline"} · sandbox`;
}

function placed({ before, since }) {
  const isOther = before.me !== state.me || before.channel !== state.channel;
  const isOpen = Boolean(state.thread);
  document.body.classList.toggle("thread-open", isOpen);
  $("thread").hidden = !isOpen;
  drawHeads();
  if (isOther) panes.channel.open(since);
  if (isOpen && (isOther || before.thread !== state.thread)) panes.thread.open();
  drawStatus();
  drawTitle();
  feed.load(state.channel).catch((error) => toasts.problem(error));
  if (wantsFocus || (NARROW.matches && before.thread !== state.thread)) focusPane(isOpen);
  wantsFocus = false;
}

function focusPane(isThread) {
  if (NARROW.matches) $(isThread ? "thread-name" : "channel-name").focus();
  else composers[isThread ? "thread" : "channel"].focus();
}

function messageChanged({ message, isNew, isFirst }) {
  if (message.channel !== state.channel) return;
  const isInThread = message.ts === state.thread || message.thread === state.thread;
  const shown = [
    message.isReply ? null : panes.channel,
    state.thread && isInThread ? panes.thread : null,
  ];
  for (const pane of shown) {
    if (isFirst) pane?.rearrange();
    else pane?.touch(message.key);
  }
  if (isNew && message.user !== state.me && shown.some(Boolean)) {
    $("spoken").textContent =
      `${state.names.person(message.user) ?? message.author}: ${plain(message.text, 200)}`;
  }
}

function redrawPanes() {
  panes.channel.rearrange();
  if (state.thread) panes.thread.rearrange();
}

function plain(text, length) {
  return mrkdwn(text, state.names).textContent.slice(0, length);
}

// A moment's patience: the place that it tells of may be opening already.
function notified(told) {
  setTimeout(() => {
    if (told.user === state.me && !state.isLooking(told.user, told.channel, told.thread))
      tell(told);
  }, PATIENCE);
}

function tell({ channel, thread, ts, text }) {
  const place = state.channels.get(channel);
  const author = state.message(channel, ts)?.author ?? state.bot?.name ?? "Somebody";
  const where = place?.kind === "im" ? "" : ` in ${titled(place ?? {})}`;
  toasts.show(`${author}${where}${thread ? ", in a thread" : ""}`, plain(text, 140), {
    open: () => goTo({ channel, thread }, { focus: true }),
  });
}

state.on("ready", arrive);
state.on("workspace", drawHeads);
state.on("place", placed);
state.on("messages", ({ channel }) => channel === state.channel && redrawPanes());
state.on("message", messageChanged);
state.on("gone", ({ channel, key }) => {
  if (channel === state.channel) redrawPanes();
  if (key === state.thread) goTo({ thread: null });
});
state.on("status", ({ channel, thread }) => {
  if (channel !== state.channel) return;
  panes.channel.touch(thread);
  drawStatus();
});
state.on("unread", drawTitle);
state.on("notification", notified);
state.on("connection", () => {
  $("connection").textContent = state.isConnected ? "" : "Reconnecting …";
});

$("thread-close").addEventListener("click", () => goTo({ thread: null }, { focus: true }));
$("invite").addEventListener("click", () => {
  const change = { user: state.me, channel: state.channel, joined: !here().hasBot };
  quietly(tried(post("bot", change)));
});
$("menu").addEventListener("click", () => {
  const isOpen = document.body.classList.toggle("menu-open");
  $("menu").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("places").querySelector("[tabindex='0']")?.focus();
});
$("channel").addEventListener("click", () => {
  if (document.body.classList.contains("menu-open")) $("menu").click();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || $("dialog").open) return;
  if (document.body.classList.contains("menu-open")) $("menu").click();
  else if (state.thread && !event.target.closest("textarea"))
    goTo({ thread: null }, { focus: true });
});

inspector.start();
feed.open();
