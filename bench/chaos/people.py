"""What people do all day: write, change their minds, click; and what Slack does."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass

from app.sandbox.records import Message
from app.sandbox.server import Sandbox

_PEOPLE = ("ana", "ben", "chloe")
_ROOMS = ("kitchen", "bedroom")
_CHANNELS = ("#general", "#home-team")
_REMEMBERED = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    user: str
    channel: str
    thread_ts: str
    ts: str


class People:
    """Everybody in the workspace; `pace` is the mean of the seconds between acts."""

    def __init__(self, sandbox: Sandbox, *, seed: int, pace: float) -> None:
        self._sandbox = sandbox
        self._chance = random.Random(seed)  # noqa: S311 - chance, not secrets
        self._pace = pace
        self._said: list[_Said] = []
        self._number = 0
        self._acts = {
            self._ask: 40,
            self._go_on: 22,
            self._write_directly: 10,
            self._edit: 6,
            self._delete: 4,
            self._click: 12,
            self._spoil_delivery: 3,
            self._spoil_slack: 2,
            self._spoil_model: 1,
        }
        self.counts: Counter[str] = Counter()
        self._clicking: set[asyncio.Task[int]] = set()

    async def live(self) -> None:
        """Act until cancelled."""
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / self._pace))
            (act,) = self._chance.choices([*self._acts], [*self._acts.values()])
            with contextlib.suppress(LookupError, ValueError):
                await act()

    async def _ask(self) -> None:
        user, channel = self._anybody(), self._chance.choice(_CHANNELS)
        await self._say(user, channel, f"@threadline {self._wish()}")

    async def _go_on(self) -> None:
        if self._said:
            before = self._chance.choice(self._said)
            user = self._anybody() if before.channel[0] == "#" else before.user
            text = f"@threadline {self._wish()}"
            if self._chance.random() < 0.05:  # noqa: PLR2004 - now and then
                text = "@threadline stop"
            await self._say(user, before.channel, text, before.thread_ts)

    async def _write_directly(self) -> None:
        user = self._anybody()
        await self._say(user, f"dm:{user}", self._wish())

    async def _edit(self) -> None:
        if self._said:
            said = self._chance.choice(self._said)
            text = f"@threadline {self._wish()}"
            await self._sandbox.edit(said.user, said.channel, said.ts, text)
            self.counts["edited"] += 1

    async def _delete(self) -> None:
        if self._said:
            said = self._said.pop(self._chance.randrange(len(self._said)))
            await self._sandbox.delete(said.user, said.channel, said.ts)
            self.counts["deleted"] += 1

    async def _click(self) -> None:
        clickable = [message for message in self._in_view() if message.buttons]
        if clickable:
            message = self._chance.choice(clickable[-_REMEMBERED:])
            button = self._chance.choice([*message.buttons])
            user = "ana" if message.channel_id[0] == "D" else self._anybody()
            click = self._sandbox.click(user, message.channel_id, message.ts, button)
            # Nobody waits for an app that takes its time.
            task = asyncio.create_task(_tried(click))
            self._clicking.add(task)
            task.add_done_callback(self._clicking.discard)
            self.counts["clicked"] += 1

    async def _spoil_delivery(self) -> None:
        kind = self._chance.choice(["duplicate", "late"])
        value = 2.0 if kind == "late" else None
        self._sandbox.fault("event:*", kind, value=value)
        self.counts["faults"] += 1

    async def _spoil_slack(self) -> None:
        method = self._chance.choice(["chat.postMessage", "chat.update"])
        kind, value = self._chance.choice(
            [
                ("drop_after", None),
                ("drop_before", None),
                ("status", 503),
                ("status", (429, 1)),
                ("delay", 1.5),
            ]
        )
        self._sandbox.fault(method, kind, value=value)
        self.counts["faults"] += 1

    async def _spoil_model(self) -> None:
        kind = self._chance.choice(["cut", "http_500", "http_429", "error_event"])
        self._sandbox.model.fault(kind)
        self.counts["faults"] += 1

    async def _say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None
    ) -> None:
        ts = await self._sandbox.say(user, channel, text, thread_ts=thread_ts)
        thread = thread_ts or ts
        said = _Said(user=user, channel=channel, thread_ts=thread, ts=ts)
        self._said = [*self._said[-_REMEMBERED:], said]
        self.counts["sent"] += 1

    def _wish(self) -> str:
        self._number += 1
        room, other = self._chance.sample(_ROOMS, 2)
        degrees = self._chance.randint(16, 26)
        return self._chance.choice(
            [
                f"say exactly: answer {self._number}",
                f"tell me a story of {self._chance.randint(300, 1_500)} characters",
                f"set the {room} to {degrees}",
                f"set the {room} to {degrees} and the {other} to {degrees - 1}",
                f"how warm is the {room}?",
                f"tell me a story, then set the {room} to {degrees}",
                f'call exactly: writeDown {{"line": "line {self._number}"}}',
            ]
        )

    def _anybody(self) -> str:
        return self._chance.choice(_PEOPLE)

    def _in_view(self) -> list[Message]:
        return [
            message
            for channel in _CHANNELS
            for message in self._sandbox.messages(channel)
            if message.user_id == self._sandbox.bot_user_id
        ]


async def _tried(click: Awaitable[int]) -> int:
    with contextlib.suppress(LookupError, ValueError):
        return await click
    return 0
