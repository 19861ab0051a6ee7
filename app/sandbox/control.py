"""The HTTP control API: what the page and tools outside this process use.

Every answer is JSON; an act that cannot be done answers 400 `{"error": sentence}`.
A message is Slack's own JSON of it plus `channel`, `author` (a name) and `blocks` as
sent (a person's message has none: show its `text`).

GET /control/workspace
    {team: {id, name}, bot: {id, bot_id, name}, people: [{id, name, real_name}],
     channels: [{id, name, kind, members: [id], is_member_bot, is_archived}],
     limits: {method: {per_minute, burst, shape, enabled, left}},
     connections: number of Socket Mode connections, mode: "socket" | "http"}
GET /control/messages?channel=ID&as=USER
    {messages: [message + {replies: [message]}], ephemerals: [message],
     statuses: {thread_ts: text}}      messages are roots, oldest first
GET /control/journal?since=SEQ
    {calls: [{seq, at, method, arguments, response, status, fault, left}],
     deliveries: [{seq, at, kind, name, event_id, attempt, status, reason, via}]}
GET /control/notifications?user=USER
    {notifications: [{user_id, channel_id, ts, why, text}], fetches: [{url, …}],
     live_tokens: [{method, channel_id, token}]}
POST /control/say      {user, channel, text, thread_ts?, files?} -> {ts}
POST /control/edit     {user, channel, ts, text}
POST /control/delete   {user, channel, ts}
POST /control/remove   {user, channel, ts}            anybody's message, as an admin
POST /control/stop     {user, channel, thread_ts, streaming?}   Slack's own Stop
POST /control/react    {user, channel, ts, name, added?}
POST /control/click    {user, channel, ts, action_id} -> {status}  (504: no answer)
POST /control/command  {user, channel, command, text} -> {status}
POST /control/home     {user, tab?}
POST /control/bot      {user, channel, joined}        invite or remove the bot
POST /control/archive  {channel}
POST /control/fault    {target, kind, count?, value?}
POST /control/token    {error?}                       refuse the bot's token, or not
POST /control/uninstall {}                            remove the app
POST /control/limit    {method, per_minute?, burst?, shape?, enabled?}
POST /control/refresh  {reason?, count?}              replace the oldest sockets
GET /control/stream    Server-Sent Events, see stream.py
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from app.sandbox.acts import Acts
from app.sandbox.core import Core
from app.sandbox.journal import without_body
from app.sandbox.records import Channel, Json, Message

Act = Callable[[Json], Json | Awaitable[Json]]


class Control:
    """The routes under `/control/`."""

    def __init__(self, core: Core, acts: Acts) -> None:
        self._core = core
        self._acts = acts

    def add_routes(self, app: web.Application) -> None:
        """Mount everything but the stream."""
        for path, show in {
            "workspace": self._workspace,
            "messages": self._messages,
            "journal": self._journal,
            "notifications": self._notifications,
        }.items():
            app.router.add_get(f"/control/{path}", _shower(show))
        acts: dict[str, Act] = {
            "say": self._say,
            "edit": self._edit,
            "delete": self._delete,
            "remove": self._remove,
            "stop": self._stop,
            "react": self._react,
            "click": self._click,
            "command": self._command,
            "home": self._home,
            "bot": self._bot,
            "archive": self._archive,
            "fault": self._fault,
            "token": self._token,
            "uninstall": self._uninstall,
            "limit": self._limit,
            "refresh": self._refresh,
        }
        for path, act in acts.items():
            app.router.add_post(f"/control/{path}", _actor(act))

    def _workspace(self, _: web.Request) -> Json:
        core, identity = self._core, self._core.workspace.identity
        people = [p for p in core.workspace.people.values() if not p.is_bot]
        limits = {
            method: {
                **asdict(rule),
                "left": core.limiter.left(identity.team_id, method),
            }
            for method, rule in core.limiter.rules().items()
        }
        return {
            "team": {"id": identity.team_id, "name": identity.team_name},
            "bot": {
                "id": identity.bot_user_id,
                "bot_id": identity.bot_id,
                "name": core.workspace.people[identity.bot_user_id].real_name,
            },
            "people": [
                {"id": p.user_id, "name": p.name, "real_name": p.real_name}
                for p in people
            ],
            "channels": [self._channel(c) for c in core.workspace.channels.values()],
            "limits": limits,
            "connections": core.sockets.connected,
            "mode": core.dispatcher.transport.name,
        }

    def _channel(self, channel: Channel) -> Json:
        return {
            "id": channel.channel_id,
            "name": channel.name,
            "kind": channel.kind.value,
            "members": sorted(channel.members),
            "is_member_bot": self._core.workspace.is_bot_in(channel),
            "is_archived": channel.is_archived,
        }

    def _messages(self, request: web.Request) -> Json:
        workspace = self._core.workspace
        channel = workspace.channel(request.query.get("channel", ""))
        person = workspace.person(request.query.get("as", ""))
        if person.user_id not in channel.members:
            raise ValueError(f"{person.name} is not in {channel.name}")
        private = [
            self._core.shown_in_private(one)
            for one in self._core.seen.ephemerals
            if (one.user_id, one.channel_id) == (person.user_id, channel.channel_id)
        ]
        statuses = {
            thread_ts: text
            for (place, thread_ts), text in self._core.statuses.all().items()
            if place == channel.channel_id
        }
        messages = workspace.messages(channel.channel_id)
        return {
            "messages": [self._with_replies(m) for m in messages if not m.is_reply],
            "ephemerals": private,
            "statuses": statuses,
        }

    def _with_replies(self, message: Message) -> Json:
        replies = self._core.workspace.replies(message.channel_id, message.ts)
        return {
            **self._core.shown(message),
            "replies": [self._core.shown(reply) for reply in replies],
        }

    def _journal(self, request: web.Request) -> Json:
        since = int(request.query.get("since", "0"))
        journal = self._core.journal
        return {
            "calls": [asdict(call) for call in journal.calls if call.seq > since],
            "deliveries": [
                without_body(one) for one in journal.deliveries if one.seq > since
            ],
        }

    def _notifications(self, request: web.Request) -> Json:
        seen, user = self._core.seen, request.query.get("user")
        user_id = self._core.workspace.person(user).user_id if user else None
        return {
            "notifications": [
                asdict(one) for one in seen.told if user_id in (None, one.user_id)
            ],
            "fetches": [asdict(one) for one in seen.fetches],
            "live_tokens": [asdict(one) for one in seen.live_tokens],
        }

    def _say(self, given: Json) -> Json:
        ts = self._acts.say(
            given["user"],
            given["channel"],
            given["text"],
            thread_ts=given.get("thread_ts"),
            files=given.get("files") or (),
        )
        return {"ts": ts}

    def _edit(self, given: Json) -> Json:
        self._acts.edit(given["user"], given["channel"], given["ts"], given["text"])
        return {}

    def _delete(self, given: Json) -> Json:
        self._acts.delete(given["user"], given["channel"], given["ts"])
        return {}

    def _remove(self, given: Json) -> Json:
        self._acts.remove(given["user"], given["channel"], given["ts"])
        return {}

    def _stop(self, given: Json) -> Json:
        named = [str(ts) for ts in given.get("streaming") or ()]
        where = (given["user"], given["channel"], given["thread_ts"])
        self._acts.stop_session(*where, named)
        return {}

    def _react(self, given: Json) -> Json:
        added = bool(given.get("added", True))
        where = (given["user"], given["channel"], given["ts"], given["name"])
        self._acts.react(*where, added=added)
        return {}

    async def _click(self, given: Json) -> Json:
        where = (given["user"], given["channel"], given["ts"], given["action_id"])
        return {"status": await self._acts.click(*where)}

    async def _command(self, given: Json) -> Json:
        typed = (given["user"], given["channel"], given["command"], given["text"])
        return {"status": await self._acts.command(*typed)}

    def _home(self, given: Json) -> Json:
        self._acts.open_home(given["user"], given.get("tab", "home"))
        return {}

    def _bot(self, given: Json) -> Json:
        joined = bool(given["joined"])
        self._acts.move_bot(given["user"], given["channel"], joined=joined)
        return {}

    def _archive(self, given: Json) -> Json:
        self._acts.archive(given["channel"])
        return {}

    def _fault(self, given: Json) -> Json:
        value = given.get("value")
        planned = tuple(value) if isinstance(value, list) else value
        count = given.get("count", 1)
        self._core.faults.plan(given["target"], given["kind"], count, planned)
        return {}

    def _token(self, given: Json) -> Json:
        error = given.get("error")
        self._core.token_refused = str(error) if error else None
        return {}

    def _uninstall(self, _: Json) -> Json:
        self._acts.uninstall()
        return {}

    def _limit(self, given: Json) -> Json:
        self._core.limiter.limit(
            given["method"],
            per_minute=given.get("per_minute"),
            burst=given.get("burst"),
            shape=given.get("shape", "bucket"),
            enabled=bool(given.get("enabled", True)),
        )
        return {}

    async def _refresh(self, given: Json) -> Json:
        reason = given.get("reason", "refresh_requested")
        await self._core.sockets.refresh(reason, given.get("count"))
        return {}


def _shower(
    show: Callable[[web.Request], Json],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(show(request))
        except (LookupError, ValueError) as fault:
            return _bad(fault)

    return handle


def _actor(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        # Only JSON: a foreign page can send a form, but no JSON, without being asked.
        if request.content_type != "application/json":
            return _bad(ValueError("send JSON"))
        try:
            done: Any = act(await _given(request))
            answer = await done if isinstance(done, Awaitable) else done
        except (LookupError, TypeError, ValueError) as fault:
            return _bad(fault)
        return web.json_response({"ok": True, **answer})

    return handle


async def _given(request: web.Request) -> Json:
    given = json.loads(await request.read())
    if not isinstance(given, dict):
        raise TypeError("send a JSON object")
    return given


def _bad(fault: Exception) -> web.Response:
    what = f"missing: {fault}" if isinstance(fault, KeyError) else str(fault)
    return web.json_response({"error": what}, status=400)
