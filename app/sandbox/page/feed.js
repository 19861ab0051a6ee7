// The stream of what happens. After every (re)connection the page loads anew what it
// shows; messages are kept by their ts, so nothing is there twice.

import { get, loadMessages, loadWorkspace, message, whisper } from "./api.js";
import { KEPT_CALLS } from "./state.js";

const STATUS_LIFE = 120_000;
const AGAIN = 1_000;

export class Feed {
  constructor(state, { problem }) {
    this.state = state;
    this.problem = problem;
    this.timers = new Map();
    this.loaded = new Set();
    this.touched = new Map();
    this.lastSeq = 0;
    this.wantsJournal = false;
  }

  open() {
    this.source = new EventSource("/control/stream");
    this.source.addEventListener("open", () => this.resync());
    this.source.addEventListener("error", () => this.lost());
    for (const [kind, handle] of Object.entries(this.handlers())) {
      this.source.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    }
  }

  handlers() {
    const { state } = this;
    return {
      posted: ({ message: raw }) => this.arrived(message(raw)),
      changed: ({ message: raw }) => this.changed(message(raw)),
      deleted: ({ channel, ts }) => this.gone(channel, ts),
      ephemeral: ({ for: user, message: raw }) => this.arrived(whisper(raw, user)),
      status: ({ channel, thread_ts: thread, status }) => this.status(channel, thread, status),
      notification: (told) =>
        state.notify({ ...told, user: told.for, thread: told.thread_ts ?? null }),
      workspace: () => this.soonAgain(),
      call: ({ call }) => this.call(call),
      delivery: ({ delivery }) => this.delivery(delivery),
    };
  }

  // The browser tries again by itself unless the server has answered with an error.
  lost() {
    this.state.isConnected = false;
    this.state.tell("connection");
    if (this.source.readyState === EventSource.CLOSED) setTimeout(() => this.open(), AGAIN);
  }

  async resync() {
    try {
      if (this.wantsJournal) await this.loadJournal();
      await this.reload();
      this.state.isConnected = true;
      this.state.tell("connection");
    } catch (error) {
      this.problem(error);
    }
  }

  async reload() {
    const { state } = this;
    state.setWorkspace(await loadWorkspace());
    state.tell("ready");
    this.loaded.clear();
    await this.load(state.channel);
  }

  soonAgain() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.reload().catch(this.problem), 50);
  }

  // Load a channel once; the stream keeps it up to date from then on, also while the
  // answer is on its way.
  async load(channelId) {
    const { state } = this;
    const mark = `${state.me}/${channelId}`;
    if (!channelId || this.loaded.has(mark)) return;
    this.loaded.add(mark);
    const touched = new Set();
    this.touched.set(channelId, touched);
    try {
      const { messages, statuses } = await loadMessages(channelId, state.me);
      state.replaceAll(channelId, messages, touched);
      for (const [thread, text] of Object.entries(statuses)) this.status(channelId, thread, text);
    } catch (error) {
      this.loaded.delete(mark);
      throw error;
    }
  }

  touch(channel, key) {
    this.touched.get(channel)?.add(key);
  }

  arrived(fresh) {
    this.touch(fresh.channel, fresh.key);
    this.state.put(fresh, { isNew: true });
  }

  changed(fresh) {
    this.touch(fresh.channel, fresh.key);
    const known = this.state.message(fresh.channel, fresh.key);
    if (known || this.loaded.has(`${this.state.me}/${fresh.channel}`)) this.state.put(fresh);
  }

  gone(channel, ts) {
    this.touch(channel, ts);
    this.state.drop(channel, ts);
  }

  status(channel, thread, text) {
    const mark = `${channel}/${thread}`;
    clearTimeout(this.timers.get(mark));
    if (text) {
      this.timers.set(
        mark,
        setTimeout(() => this.state.setStatus(channel, thread, ""), STATUS_LIFE),
      );
    }
    this.state.setStatus(channel, thread, text);
  }

  async loadJournal() {
    this.wantsJournal = true;
    const since = Math.max(0, this.lastSeq - KEPT_CALLS);
    const { calls, deliveries } = await get("journal", { since });
    calls.forEach((call) => this.call(call));
    deliveries.forEach((delivery) => this.delivery(delivery));
  }

  call(raw) {
    this.lastSeq = raw.seq;
    const { arguments: given = {}, response = {} } = raw;
    this.state.addCall({
      seq: raw.seq,
      at: raw.at,
      method: raw.method,
      status: raw.status,
      ok: Boolean(response.ok),
      error: response.error ?? null,
      fault: raw.fault,
      left: raw.left,
      channel: given.channel ?? given.channel_id ?? null,
      ts: given.ts ?? response.ts ?? null,
    });
  }

  delivery(raw) {
    this.lastSeq = raw.seq;
    this.state.addDelivery(raw);
  }
}
