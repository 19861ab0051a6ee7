// The control API, and its JSON in the page's own words.

import { unescaped } from "./inline.js";

export async function get(path, query = {}) {
  const url = new URL(`/control/${path}`, location.origin);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return answered(await fetch(url, { cache: "no-store" }));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return answered(
    await fetch(`/control/${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
  );
}

async function answered(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `The sandbox answered ${response.status}.`);
  return body;
}

export async function loadWorkspace() {
  const { team, bot, people, channels, limits, mode, connections } = await get("workspace");
  const app = { id: bot.id, name: bot.name, handle: "threadline", isBot: true };
  return {
    team,
    bot: app,
    people: [...people.map(person), app],
    channels: channels.map((channel) => place(channel, people, app)),
    limits,
    mode,
    connections,
  };
}

function person({ id, name, real_name: realName }) {
  return { id, name: realName || name, handle: name, isBot: false };
}

const ORDER = ["channel", "group", "mpim", "im"];

function place(
  { id, name, kind, members, is_member_bot: hasBot, is_archived: isArchived },
  people,
  bot,
) {
  const others = people.filter((one) => members.includes(one.id));
  const isTalk = kind === "mpim" || kind === "im";
  const names = [...others.map((one) => one.real_name || one.name), hasBot ? bot.name : null];
  return {
    id,
    kind,
    members,
    hasBot,
    isArchived,
    isTalk,
    order: ORDER.indexOf(kind),
    name: kind === "im" ? bot.name : kind === "mpim" ? names.filter(Boolean).join(", ") : name,
    handle: name,
  };
}

export async function loadMessages(channel, me) {
  const { messages, ephemerals, statuses } = await get("messages", { channel, as: me });
  return {
    messages: [
      ...messages.flatMap((root) => [root, ...(root.replies ?? [])]).map(message),
      ...ephemerals.map((one) => whisper(one, me)),
    ],
    statuses,
  };
}

export function message(raw) {
  const thread = raw.thread_ts && raw.thread_ts !== raw.ts ? raw.thread_ts : null;
  return {
    key: raw.ts,
    ts: raw.ts,
    channel: raw.channel,
    user: raw.user,
    author: raw.author,
    text: raw.text ?? "",
    typed: typed(raw.text ?? ""),
    blocks: raw.blocks ?? [],
    attachments: raw.attachments ?? [],
    files: raw.files ?? [],
    reactions: raw.reactions ?? [],
    thread,
    isReply: Boolean(thread),
    replies: raw.reply_count ?? 0,
    latest: raw.latest_reply ?? null,
    isEdited: Boolean(raw.edited),
    isTombstone: raw.subtype === "tombstone",
    whisperTo: null,
    mentionsMe,
  };
}

export function whisper(raw, userId) {
  return { ...message(raw), key: `only-${raw.ts}`, whisperTo: userId };
}

function mentionsMe(me) {
  return new RegExp(`<@${me}[>|]|<!(?:channel|here|everyone)[>|]`).test(this.text);
}

// What a person would type to get this text again.
function typed(text) {
  const words = text.replace(/<(https?:[^<>|]+)(?:\|[^<>]*)?>/g, "$1").replace(/<!(\w+)>/g, "@$1");
  return unescaped(words.replace(/<#\w+\|([^<>]+)>/g, "#$1"));
}
