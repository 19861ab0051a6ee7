"""The sandbox: Slack and a model on this machine, started and spoken to in Python."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from app.sandbox.acts import Acts
from app.sandbox.building import build
from app.sandbox.control import Control
from app.sandbox.core import Core, LiveToken
from app.sandbox.delivery import ANSWER_WITHIN, Answer
from app.sandbox.faults import FaultValue
from app.sandbox.guard import guard, is_loopback
from app.sandbox.journal import KEPT, Call, Delivery
from app.sandbox.model.control import ModelControl
from app.sandbox.model.server import add_model_routes
from app.sandbox.page_routes import add_page_routes
from app.sandbox.push import HttpPush
from app.sandbox.records import Ephemeral, Fetch, Json, Message, Notification, Person
from app.sandbox.socket import PATH
from app.sandbox.store import Store
from app.sandbox.stream import Stream
from app.sandbox.web_api.dispatch import WebApi

T = TypeVar("T")

_LARGEST_BODY = 32 * 1024 * 1024
_STORY = 30


class NotYet(AssertionError, TimeoutError):
    """What was waited for did not come in time; the message tells what stands there."""


class Sandbox:
    """A running sandbox.

    Users and channels are named by id or name (`"ana"`, `"#general"`, `"dm:ana"`,
    `"mpdm"`). LookupError says that there is no such thing, ValueError that Slack
    would not let that person do it.
    """

    def __init__(
        self,
        *,
        core: Core,
        store: Store | None,
        runner: web.AppRunner,
        session: aiohttp.ClientSession,
        model: ModelControl,
        answer_within: float,
    ) -> None:
        self.core = core
        self.model = model
        self._store = store
        self._runner = runner
        self._session = session
        self._answer_within = answer_within
        self._acts = Acts(core)

    @classmethod
    async def start(
        cls,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        state_dir: Path | None = None,
        clock: Callable[[], float] = time.time,
        retry_scale: float = 1.0,
        token_rate: float = 60,
        answer_within: float = ANSWER_WITHIN,
        jitter: float = 0.02,
        seed: int = 7,
        journal_kept: int = KEPT,
    ) -> "Sandbox":
        """Serve a sandbox on this machine; port 0 takes a free one.

        `clock` (epoch seconds) dates messages and drives the limits. `retry_scale`
        compresses the pauses between Slack's retries, `answer_within` (seconds) its
        patience with the app, `jitter` (seconds) is by how much events change places.
        The journal keeps its newest `journal_kept` calls and as many deliveries.
        Raises OSError when the port is taken, ValueError for a host that others reach.
        """
        if not is_loopback(host):
            raise ValueError("the sandbox listens on this machine only")
        store = Store(state_dir) if state_dir else None
        core = build(
            store=store,
            clock=clock,
            retry_scale=retry_scale,
            answer_within=answer_within,
            jitter=jitter,
            seed=seed,
            journal_kept=journal_kept,
        )
        app, model = _application(core, token_rate)
        try:
            runner, core.base_url = await _served(app, host, port)
        except OSError:
            if store is not None:
                store.close()
            raise
        return cls(
            core=core,
            store=store,
            runner=runner,
            session=aiohttp.ClientSession(),
            model=model,
            answer_within=answer_within,
        )

    async def close(self) -> None:
        """Stop serving; undelivered events are lost, the workspace is kept."""
        self.core.close()
        self.core.feed.close()
        await self.core.dispatcher.close()
        await self.core.sockets.close()
        await self._session.close()
        await self._runner.cleanup()
        if self._store is not None:
            self._store.close()

    # Addresses and names

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{self.core.base_url}/"

    @property
    def api_url(self) -> str:
        """The Web API, for `SLACK_API_URL`."""
        return f"{self.core.base_url}/api/"

    @property
    def model_url(self) -> str:
        """The model server, for `OPENAI_BASE_URL`."""
        return f"{self.core.base_url}/v1"

    @property
    def bot_token(self) -> str:
        """The bot's token; it opens nothing but this sandbox."""
        return self.core.workspace.identity.bot_token

    @property
    def app_token(self) -> str:
        """The app-level token for Socket Mode."""
        return self.core.workspace.identity.app_token

    @property
    def signing_secret(self) -> str:
        """What requests to the app are signed with."""
        return self.core.workspace.identity.signing_secret

    @property
    def team_id(self) -> str:
        """The workspace's id."""
        return self.core.workspace.identity.team_id

    @property
    def bot_user_id(self) -> str:
        """The bot as a member."""
        return self.core.workspace.identity.bot_user_id

    @property
    def bot_id(self) -> str:
        """The bot as an author."""
        return self.core.workspace.identity.bot_id

    @property
    def scopes(self) -> set[str]:
        """The scopes of the bot token; change the set to take some away."""
        return self.core.scopes

    @property
    def subscriptions(self) -> set[str]:
        """The events that the app is subscribed to; change the set as needed."""
        return self.core.subscriptions

    @property
    def people(self) -> dict[str, Person]:
        """Everybody by name, bots included."""
        return {person.name: person for person in self.core.workspace.people.values()}

    def change_person(self, user: str, **fields: Any) -> Person:  # noqa: ANN401 - the fields of Person
        """Make somebody a guest, a stranger, or of another workspace."""
        changed = replace(self.core.workspace.person(user), **fields)
        self.core.workspace.put_person(changed)
        return changed

    def channel_id(self, channel: str) -> str:
        """Return a channel's id."""
        return self.core.workspace.channel(channel).channel_id

    # How the app is reached

    def deliver_to(self, url: str | None) -> None:
        """Deliver to this address over HTTP from now on; None is Socket Mode again.

        The address gets nothing until it has answered Slack's challenge. Raises
        ValueError for an address on another machine.
        """
        self.core.dispatcher.transport = (
            self.core.sockets
            if url is None
            else HttpPush(url, self.signing_secret, self._session, self._answer_within)
        )

    @property
    def connections(self) -> int:
        """How many Socket Mode connections are open."""
        return self.core.sockets.connected

    async def refresh_sockets(
        self, reason: str = "refresh_requested", count: int | None = None
    ) -> None:
        """Tell connections to make way for new ones; after a `warning`, soon.

        The `count` oldest, or all.
        """
        await self.core.sockets.refresh(reason, count)

    async def cut_sockets(self, count: int | None = None) -> None:
        """Lose the `count` oldest connections, or all, at once."""
        await self.core.sockets.cut(count)

    async def send_payload(self, kind: str, payload: Json) -> Answer:
        """Send the app anything at all, once.

        `kind` is events_api, interactive or slash_commands.
        """
        return await self.core.dispatcher.interaction(kind, payload)

    # What people do

    async def say(
        self,
        user: str,
        channel: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str | Json] = (),
        client_msg_id: str | None = None,
    ) -> str:
        """Write a message, `@names` live, and return its ts."""
        return self._acts.say(
            user,
            channel,
            text,
            thread_ts=thread_ts,
            files=files,
            client_msg_id=client_msg_id,
        )

    async def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        """Change the words of one's own message."""
        self._acts.edit(user, channel, ts, text)

    async def delete(self, user: str, channel: str, ts: str) -> None:
        """Delete one's own message."""
        self._acts.delete(user, channel, ts)

    async def remove(self, user: str, channel: str, ts: str) -> None:
        """Delete anybody's message, the bot's too, as an admin may."""
        self._acts.remove(user, channel, ts)

    async def react(self, user: str, channel: str, ts: str, name: str) -> None:
        """Put an emoji on a message."""
        self._acts.react(user, channel, ts, name)

    async def click(self, user: str, channel: str, ts: str, action_id: str) -> int:
        """Press a button that is or was in view; 200 taken, 504 no answer in time."""
        return await self._acts.click(user, channel, ts, action_id)

    async def command(self, user: str, channel: str, command: str, text: str) -> int:
        """Type a slash command; returns as `click` does."""
        return await self._acts.command(user, channel, command, text)

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> int:
        """Pick a message shortcut; returns as `click` does."""
        return await self._acts.shortcut(user, channel, ts, callback_id)

    async def invite_bot(self, user: str, channel: str) -> None:
        """Invite the bot into a channel."""
        self._acts.move_bot(user, channel, joined=True)

    async def kick_bot(self, user: str, channel: str) -> None:
        """Remove the bot from a channel."""
        self._acts.move_bot(user, channel, joined=False)

    async def archive(self, channel: str) -> None:
        """Close a channel."""
        self._acts.archive(channel)

    async def open_home(self, user: str, tab: str = "home") -> None:
        """Open the app's page in Slack."""
        self._acts.open_home(user, tab)

    async def stop_session(
        self,
        user: str,
        channel: str,
        thread_ts: str,
        streaming: Sequence[str] = (),
    ) -> None:
        """Press Slack's own Stop of an agent session, with messages that it names."""
        self._acts.stop_session(user, channel, thread_ts, streaming)

    # What there is to see

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """Return a channel's messages and replies, or a thread's, root first."""
        workspace = self.core.workspace
        channel_id = workspace.channel(channel).channel_id
        if thread_ts is None:
            return workspace.messages(channel_id)
        root = workspace.message(channel_id, thread_ts)
        replies = workspace.replies(channel_id, thread_ts)
        return [root, *replies] if root else replies

    def ephemerals(self, user: str | None = None) -> list[Ephemeral]:
        """Return what one person, or anybody, was told alone."""
        user_id = self._user_id(user)
        seen = self.core.seen.ephemerals
        return [one for one in seen if user_id in (None, one.user_id)]

    def notifications(self, user: str | None = None) -> list[Notification]:
        """Return what Slack told one person, or anybody, to come and read."""
        user_id = self._user_id(user)
        return [one for one in self.core.seen.told if user_id in (None, one.user_id)]

    def status(self, channel: str, thread_ts: str) -> str:
        """Return what the app says it is doing in a thread; empty when nothing."""
        return self.core.statuses.text(self.channel_id(channel), thread_ts)

    def session_state(self, channel: str, thread_ts: str) -> str | None:
        """Return the state of the thread's agent session, if the app began one."""
        return self.core.statuses.sessions.get((self.channel_id(channel), thread_ts))

    def fetches(self) -> list[Fetch]:
        """Return the links that Slack's servers would have requested."""
        return list(self.core.seen.fetches)

    def live_tokens(self) -> list[LiveToken]:
        """Return every ping, channel and link token in the app's payloads so far."""
        return list(self.core.seen.live_tokens)

    def calls(self, method: str | None = None) -> list[Call]:
        """Return the calls of a method, or all, oldest first."""
        calls = self.core.journal.calls
        return [call for call in calls if method in (None, call.method)]

    def deliveries(self, name: str | None = None) -> list[Delivery]:
        """Return the attempts to deliver an event of this type, or all."""
        entries = self.core.journal.deliveries
        return [entry for entry in entries if name in (None, entry.name)]

    async def until(
        self,
        condition: Callable[[], T | None],
        timeout: float = 10.0,  # noqa: ASYNC109 - a test's patience
    ) -> T:
        """Wait until the condition's answer is truthy and return it.

        Raises NotYet, an AssertionError and a TimeoutError that tells the latest
        messages and calls, after `timeout` seconds.
        """
        try:
            return await self.core.feed.until(condition, timeout)
        except TimeoutError:
            raise NotYet(f"not within {timeout:g} s\n{self._story()}") from None

    async def settle(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - as until
        """Wait until every event has arrived or was given up; raises NotYet."""
        await self.until(lambda: not self.core.dispatcher.pending, timeout)

    # What goes wrong

    def fault(
        self,
        target: str,
        kind: str,
        *,
        count: int | None = 1,
        value: FaultValue = None,
    ) -> None:
        """Let the next `count` calls or events go wrong (None: all from now on).

        A method: delay (seconds), error (code), status (HTTP; 429 also as (429, 30)),
        drop_before, drop_after (taken, answer lost). `event:<type>`: duplicate, late
        (seconds), never. `socket:connect`: status, which refuses a handshake and so
        spends its one-time address. Raises ValueError for a kind that does not fit.
        """
        self.core.faults.plan(target, kind, count, value)

    def refuse_token(self, code: str | None = "token_revoked") -> None:
        """Take the bot's token no more, with this word; None: take it again."""
        self.core.token_refused = code

    async def uninstall(self) -> None:
        """Remove the app: Slack tells it twice, in no order, and takes its token."""
        self._acts.uninstall()

    def clear_faults(self) -> None:
        """Let everything go well again."""
        self.core.faults.clear()

    def limit(
        self,
        method: str,
        *,
        per_minute: float | None = None,
        burst: float | None = None,
        shape: str = "bucket",
        enabled: bool = True,
    ) -> None:
        """Change a rate limit; see Limiter.limit for the names."""
        self.core.limiter.limit(
            method, per_minute=per_minute, burst=burst, shape=shape, enabled=enabled
        )

    def _user_id(self, user: str | None) -> str | None:
        return self.core.workspace.person(user).user_id if user else None

    def _story(self) -> str:
        workspace = self.core.workspace
        messages = [
            message
            for channel in workspace.channels.values()
            for message in workspace.messages(channel.channel_id)
        ]
        messages.sort(key=lambda message: float(message.ts))
        lines = [_told(workspace.people, message) for message in messages[-_STORY:]]
        calls = [
            f"{call.method} -> {call.status} {call.error or 'ok'}"
            for call in list(self.core.journal.calls)[-_STORY:]
        ]
        return "\n".join(["messages:", *lines, "calls:", *calls])


def _told(people: dict[str, Person], message: Message) -> str:
    author = people.get(message.user_id)
    place = f"{message.channel_id} {message.ts}"
    inset = "  > " if message.is_reply else "  "
    return f"{inset}[{place}] {author.name if author else '?'}: {message.seen}"


def _application(core: Core, token_rate: float) -> tuple[web.Application, ModelControl]:
    """Slack, a model and a page, not served yet."""
    app = web.Application(middlewares=[guard], client_max_size=_LARGEST_BODY)
    _add_slack_routes(app, core)
    model = add_model_routes(app, token_rate=token_rate)
    add_page_routes(app)
    return app, model


async def _served(
    app: web.Application, host: str, port: int
) -> tuple[web.AppRunner, str]:
    """Serve `app`; what does so, and its address. Raises OSError."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    place = f"[{host}]" if ":" in host else host
    return runner, f"http://{place}:{runner.addresses[0][1]}"


def _add_slack_routes(app: web.Application, core: Core) -> None:
    app.router.add_route("*", "/api/{method}", WebApi(core).handle)
    app.router.add_get(PATH, core.sockets.handle)
    app.router.add_get("/control/stream", Stream(core.feed).handle)
    Control(core, Acts(core)).add_routes(app)
