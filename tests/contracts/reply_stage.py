"""A reply and its Slack, in memory and in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.domain import (
    ChannelKind,
    DataMessage,
    Ending,
    Lease,
    RetryNotice,
    Run,
    RunStatus,
    SlackThread,
    StopRequest,
    StoredDataMessage,
    Turn,
    TurnMessage,
)
from app.slack.replies.edited import EditedReply
from app.slack.replies.replies import Replies
from app.turns.reply import Reply
from bench.virtual import Clock, virtually
from tests.unit.slack.outward.slack_in_memory import (
    DataInMemory,
    PartsInMemory,
    SlackInMemory,
    read,
)

THREAD = SlackThread(team_id="T1", channel_id="C1", thread_ts="100.1")
NAMES = {"U1": "Ana", "U2": "Ben"}
DONE = Ending(status=RunStatus.COMPLETED, seconds=9.2)


def a_turn(text: str = "set the kitchen to 23", turn_id: int = 7) -> Turn:
    message = TurnMessage(
        seq=1,
        ts="100.1",
        author_id="U1",
        author_team_id=None,
        text=text,
        files=(),
        mentioned=True,
        wanted=True,
    )
    return Turn(
        lease=Lease(team_id="T1", conversation_id=1, turn_id=turn_id, epoch=1),
        thread=THREAD,
        assistant_thread_id=1,
        messages=(message,),
        channel_kind=ChannelKind.CHANNEL,
        is_first_turn=True,
    )


def a_run(status: RunStatus, retry_in: RetryNotice | None = None) -> Run:
    return Run(run_id="run_1", status=status, retry_in=retry_in)


def a_change(seq: int, room: str = "kitchen", new: float = 23) -> StoredDataMessage:
    return StoredDataMessage(
        seq=seq,
        message=DataMessage(
            type="temperature_change",
            data={"room": room, "old": 22.0, "new": new, "unit": "°C"},
            caused_by="U1",
        ),
    )


def unchanged(seq: int) -> StoredDataMessage:
    return StoredDataMessage(
        seq=seq,
        message=DataMessage(
            type="temperature_unchanged",
            data={"room": "kitchen", "old": 23.0, "new": 23.0, "unit": "°C"},
        ),
    )


@dataclass
class House:
    """A workspace with one turn being answered in it."""

    clock: Clock
    slack: SlackInMemory
    parts: PartsInMemory = field(default_factory=PartsInMemory)
    data: DataInMemory = field(default_factory=DataInMemory)
    first_paint: str = "snappy"
    notify_after: float = 0.0
    bots: frozenset[str] = frozenset()
    is_streaming: bool = False
    owner: int = 1
    replies: Replies | None = None
    stops: list[StopRequest] = field(default_factory=list)

    async def open(self, turn: Turn | None = None) -> EditedReply:
        self.replies = Replies(
            outbound=self.slack,
            parts=self.parts,
            data_messages=self.data,
            name_of=_name_of,
            is_bot=self.is_bot,
            first_paint=self.first_paint,
            native_streams=self.is_streaming,
            notify_after=self.notify_after,
            now=self.clock.now,
            sleep_until=self.clock.sleep_until,
        )
        owner = self.owner
        turn = turn or a_turn()
        turn = replace(turn, channel_kind=self.kind)
        return await self.replies.open(
            turn,
            holds_lease=lambda: self.owner == owner,
            request_stop=self.stops.append,
        )

    @property
    def kind(self) -> ChannelKind:
        """Where the turn is."""
        return ChannelKind.IM if self.is_streaming else ChannelKind.CHANNEL

    async def is_bot(self, _team_id: str, user_id: str) -> bool:
        return user_id in self.bots

    async def take_over(self) -> EditedReply:
        """The process that answers dies, and another one goes on."""
        self.owner += 1
        return await self.open()

    @property
    def seen(self) -> list[str]:
        """What a reader sees, message by message."""
        return [read(payload) for payload in self.slack.messages.values()]


# For stories that are the same however an answer grows.
in_both_ways = pytest.mark.parametrize(
    "is_streaming", [False, True], ids=["edited", "streamed"]
)


async def _name_of(_team_id: str, user_id: str) -> str:
    return NAMES.get(user_id, user_id)


def in_a_house(
    story: Callable[[House], Coroutine[Any, Any, None]], *, is_streaming: bool = False
) -> None:
    async def main(clock: Clock) -> None:
        await story(House(clock, SlackInMemory(clock), is_streaming=is_streaming))

    virtually(main)


async def type_in(reply: Reply, text: str, pace: float = 0.02, size: int = 5) -> None:
    for start in range(0, len(text), size):
        reply.append(text[start : start + size])
        await asyncio.sleep(pace)
