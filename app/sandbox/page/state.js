// What the page knows of the workspace, and who is looking at what.
// Listeners are told what changed; they read the rest from here.

export const KEPT_CALLS = 400;
const KEPT_GAPS = 200;
const WRITES = ["chat.postMessage", "chat.update", "chat.startStream", "chat.appendStream"];

export class State extends EventTarget {
  team = { id: "", name: "Sandbox" };
  bot = null;
  people = new Map();
  channels = new Map();
  messages = new Map();
  statuses = new Map();
  unread = new Map();
  calls = [];
  deliveries = [];
  budget = new Map();
  edits = new Map();
  me = null;
  channel = null;
  thread = null;
  isConnected = false;

  tell(kind, detail = {}) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  on(kind, listener) {
    this.addEventListener(kind, (event) => listener(event.detail));
  }

  names = {
    person: (id) => this.people.get(id)?.name,
    channel: (id) => this.channels.get(id)?.name,
    isMe: (id) => id === this.me,
  };

  // What a person would type to write this message again.
  typed(message) {
    return message.typed.replace(/<@(\w+)(?:\|[^<>]*)?>/g, (token, id) => {
      const person = this.people.get(id);
      return person ? `@${person.handle}` : token;
    });
  }

  get humans() {
    return [...this.people.values()].filter((person) => !person.isBot && !person.isGone);
  }

  // The places that a person sees in the list, their DM last.
  placesOf(userId) {
    return [...this.channels.values()].filter((channel) => channel.members.includes(userId));
  }

  setWorkspace({ team, bot, people, channels }) {
    this.team = team;
    this.bot = bot;
    this.people = new Map(people.map((person) => [person.id, person]));
    this.channels = new Map(channels.map((channel) => [channel.id, channel]));
    this.tell("workspace");
  }

  // Messages, by channel and key; a whisper is a message that one person alone sees.

  of(channelId) {
    if (!this.messages.has(channelId)) this.messages.set(channelId, new Map());
    return this.messages.get(channelId);
  }

  message(channelId, key) {
    return this.of(channelId).get(key);
  }

  // `touched` are the keys of which the stream told something newer meanwhile.
  replaceAll(channelId, messages, touched = new Set()) {
    const known = this.of(channelId);
    const fresh = new Map();
    for (const message of messages) {
      if (!touched.has(message.key)) fresh.set(message.key, message);
    }
    for (const [key, message] of known) {
      if (touched.has(key) || (message.whisperTo && message.whisperTo !== this.me))
        fresh.set(key, message);
    }
    this.messages.set(channelId, fresh);
    this.tell("messages", { channel: channelId });
  }

  put(message, { isNew = false } = {}) {
    const known = this.of(message.channel);
    const isFirst = !known.has(message.key);
    known.set(message.key, message);
    if (isFirst && message.isReply) this.countReply(message);
    if (isFirst && isNew) this.noteUnread(message);
    this.tell("message", { message, isNew: isFirst && isNew, isFirst });
  }

  countReply(reply) {
    const root = this.message(reply.channel, reply.thread);
    if (!root) return;
    const replies = this.inThread(reply.channel, reply.thread).slice(1);
    const seen = replies.filter((message) => !message.whisperTo);
    if (seen.length > root.replies) {
      this.put({ ...root, replies: seen.length, latest: reply.ts });
    }
  }

  drop(channelId, ts) {
    const message = this.message(channelId, ts);
    if (!message) return;
    this.of(channelId).delete(ts);
    if (message.isReply) this.discountReply(message);
    this.tell("gone", { channel: channelId, key: ts });
  }

  discountReply(reply) {
    const root = this.message(reply.channel, reply.thread);
    if (root) this.put({ ...root, replies: Math.max(0, root.replies - 1) });
  }

  inChannel(channelId) {
    return this.sorted(channelId, (message) => !message.isReply);
  }

  inThread(channelId, rootTs) {
    return this.sorted(channelId, (message) => message.ts === rootTs || message.thread === rootTs);
  }

  sorted(channelId, wanted) {
    return [...this.of(channelId).values()]
      .filter((message) => wanted(message) && (!message.whisperTo || message.whisperTo === this.me))
      .sort((one, other) => Number(one.ts) - Number(other.ts));
  }

  // What the app says it is doing.

  setStatus(channelId, thread, text) {
    if (text) this.statuses.set(`${channelId}/${thread}`, text);
    else this.statuses.delete(`${channelId}/${thread}`);
    this.tell("status", { channel: channelId, thread });
  }

  status(channelId, thread) {
    return this.statuses.get(`${channelId}/${thread}`) ?? "";
  }

  // What somebody has not read yet: messages in bold, notifications as a number.

  isLooking(userId, channelId, thread = null) {
    const isOpen = userId === this.me && channelId === this.channel && !document.hidden;
    return isOpen && (!thread || thread === this.thread);
  }

  unreadOf(userId, channelId) {
    return this.unread.get(`${userId}/${channelId}`) ?? { messages: 0, told: 0, since: null };
  }

  toldOf(userId) {
    const places = this.placesOf(userId);
    return places.reduce((sum, place) => sum + this.unreadOf(userId, place.id).told, 0);
  }

  noteUnread(message) {
    if (message.isReply || message.whisperTo) return;
    for (const person of this.humans) {
      const isMember = this.channels.get(message.channel)?.members.includes(person.id);
      if (!isMember || person.id === message.user) continue;
      if (this.isLooking(person.id, message.channel)) continue;
      const now = this.unreadOf(person.id, message.channel);
      const since = now.since ?? message.ts;
      this.setUnread(person.id, message.channel, { ...now, messages: now.messages + 1, since });
    }
  }

  notify(notification) {
    const { user, channel, thread } = notification;
    if (this.isLooking(user, channel, thread)) return;
    const now = this.unreadOf(user, channel);
    this.setUnread(user, channel, { ...now, told: now.told + 1 });
    this.tell("notification", notification);
  }

  setUnread(userId, channelId, value) {
    this.unread.set(`${userId}/${channelId}`, value);
    this.tell("unread", { user: userId, channel: channelId });
  }

  read(userId, channelId) {
    if (this.unread.delete(`${userId}/${channelId}`)) {
      this.tell("unread", { user: userId, channel: channelId });
    }
  }

  // Who looks where.

  go({ me = this.me, channel = this.channel, thread = null }) {
    const places = this.placesOf(me);
    if (!places.some((place) => place.id === channel)) {
      channel = places[0]?.id ?? null;
      thread = null;
    }
    const since = this.unreadOf(me, channel).since;
    const before = { me: this.me, channel: this.channel, thread: this.thread };
    Object.assign(this, { me, channel, thread });
    if (channel) this.read(me, channel);
    this.tell("place", { before, since });
  }

  // The journal.

  addCall(call) {
    if (!keep(this.calls, call)) return;
    if (call.left !== null && call.left !== undefined) this.budget.set(call.method, call.left);
    if (call.ok && call.ts) this.noteEdit(call);
    this.tell("call", { call });
  }

  noteEdit(call) {
    if (!WRITES.includes(call.method)) return;
    const key = `${call.channel}/${call.ts}`;
    const times = this.edits.get(key) ?? [];
    times.push(call.at);
    times.sort((one, other) => one - other);
    if (times.length > KEPT_GAPS) times.shift();
    this.edits.delete(key);
    this.edits.set(key, times);
  }

  addDelivery(delivery) {
    if (keep(this.deliveries, delivery)) this.tell("delivery", { delivery });
  }
}

// Add a line to a journal, once and in its order; tells whether it was new. A sandbox
// that was started anew counts from one again.
function keep(lines, line) {
  if (lines.some((known) => known.seq === line.seq && known.at === line.at)) return false;
  lines.push(line);
  lines.sort((one, other) => one.at - other.at || one.seq - other.seq);
  if (lines.length > KEPT_CALLS) lines.shift();
  return true;
}
