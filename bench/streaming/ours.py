"""The program's own replies, over a Slack and rows that are only in memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from app.domain import (
    ChannelKind,
    Ending,
    Lease,
    Run,
    RunStatus,
    SlackThread,
    Turn,
    TurnMessage,
)
from app.slack.blocks import Payload
from app.slack.outbound import Outbound, Reader, StreamEnding
from app.slack.replies.edited import EditedReply
from app.slack.replies.replies import Replies
from app.slack.replies.workspaces import BucketOf
from bench.streaming.peers import Answer, Policy
from bench.streaming.slack import APPEND, POST, START, STOP, UPDATE, FakeSlack
from bench.streaming.stream import TEXT, TOKEN, Stream, tokens_in
from tests.unit.slack.outward.slack_in_memory import DataInMemory, PartsInMemory

STATUS = "assistant.threads.setStatus"
# Tokens are handed over so often, as a model's server would send them in packets; less
# often where a hundredth of a second is nothing to how long they wait.
_TICK, _COARSE_TICK = 0.02, 0.05
_MANY = 5
_DONE = Ending(status=RunStatus.COMPLETED, seconds=9.0)


class SimulatedOutbound(Outbound):
    """Calls the fake Slack, and tells each stream what of it is in view."""

    def __init__(self, slack: FakeSlack) -> None:
        self._slack = slack
        self.streams: dict[str, Stream] = {}
        self._streamed: dict[str, str] = {}

    async def post(
        self,
        thread: SlackThread,
        payload: Payload,
        *,
        may_send: Callable[[], bool],  # noqa: ARG002 - nobody takes a turn away
    ) -> str:
        """Show `payload` in a new message."""
        await self._slack.call(POST, thread.channel_id)
        self._show(thread, payload)
        return thread.thread_ts

    async def update(
        self,
        thread: SlackThread,
        ts: str,  # noqa: ARG002 - an answer of this length is one message
        payload: Payload,
        *,
        may_send: Callable[[], bool],  # noqa: ARG002 - nobody takes a turn away
    ) -> None:
        """Show `payload` in the place of what was there."""
        await self._slack.call(UPDATE, thread.channel_id)
        self._show(thread, payload)

    async def start_stream(
        self,
        thread: SlackThread,
        text: str,
        reader: Reader,  # noqa: ARG002 - everybody reads
        *,
        may_send: Callable[[], bool],  # noqa: ARG002 - nobody takes a turn away
    ) -> str:
        """Show `text` in a new message that can be added to."""
        await self._slack.call(START, thread.channel_id)
        self._add(thread, text)
        return thread.thread_ts

    async def append_stream(
        self,
        thread: SlackThread,
        ts: str,  # noqa: ARG002 - as for an edit
        text: str,
        *,
        may_send: Callable[[], bool],  # noqa: ARG002 - nobody takes a turn away
    ) -> None:
        """Show `text` after what was there."""
        await self._slack.call(APPEND, thread.channel_id)
        self._add(thread, text)

    async def stop_stream(
        self,
        thread: SlackThread,
        ts: str,  # noqa: ARG002 - as for an edit
        ending: StreamEnding,
        *,
        may_send: Callable[[], bool],  # noqa: ARG002 - nobody takes a turn away
    ) -> None:
        """Show the last of a text."""
        await self._slack.call(STOP, thread.channel_id)
        self._add(thread, ending.text)

    async def set_status(
        self,
        thread: SlackThread,
        status: str,  # noqa: ARG002 - nobody reads it
        *,
        may_send: Callable[[], bool] = lambda: True,  # noqa: ARG002 - as above
    ) -> None:
        """Cost what a status costs."""
        await self._slack.call(STATUS, thread.channel_id)

    def _add(self, thread: SlackThread, text: str) -> None:
        shown = self._streamed.get(thread.thread_ts, "") + text
        self._streamed[thread.thread_ts] = shown
        self.streams[thread.thread_ts].show(tokens_in(shown), self._slack.now())

    def _show(self, thread: SlackThread, payload: Payload) -> None:
        shown = [
            block["text"] for block in payload.blocks if block["type"] == "markdown"
        ]
        stream = self.streams[thread.thread_ts]
        stream.show(tokens_in("".join(shown)), self._slack.now())


class Pens:
    """Writes all answers that are under way, a packet of tokens at each tick."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._writing: dict[Stream, tuple[EditedReply, asyncio.Event]] = {}
        self._written: dict[Stream, int] = {}
        self._is_needed = asyncio.Event()

    async def write(self, stream: Stream, reply: EditedReply) -> None:
        """Return when the last token is written."""
        await asyncio.sleep(max(0.0, stream.begun - self._now()))
        is_done = asyncio.Event()
        self._writing[stream], self._written[stream] = (reply, is_done), 0
        self._add(stream)
        self._is_needed.set()
        await is_done.wait()

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            if not self._writing:
                self._is_needed.clear()
                await self._is_needed.wait()
            are_many = len(self._writing) > _MANY
            await asyncio.sleep(_COARSE_TICK if are_many else _TICK)
            for stream in list(self._writing):
                self._add(stream)

    def _add(self, stream: Stream) -> None:
        reply, is_done = self._writing[stream]
        before, now = self._written[stream], stream.written(self._now())
        if now > before:
            reply.append(TEXT[before * TOKEN : now * TOKEN])
            self._written[stream] = now
        if now == stream.tokens:
            del self._writing[stream], self._written[stream]
            is_done.set()


class Ours:
    """Opens a reply for each stream; several `replies` are as many processes."""

    def __init__(
        self, replies: list[Replies], outbound: SimulatedOutbound, pens: Pens
    ) -> None:
        self._replies = replies
        self._outbound = outbound
        self._pens = pens

    async def answer(self, stream: Stream) -> None:
        """Answer as a turn does, from the first sign to the end."""
        turn = _turn(stream)
        self._outbound.streams[turn.thread.thread_ts] = stream
        replies = self._replies[stream.number % len(self._replies)]
        reply = await replies.open(turn, holds_lease=lambda: True)
        reply.show_status(Run(run_id="run_1", status=RunStatus.IN_PROGRESS))
        await self._pens.write(stream, reply)
        if await reply.finish(_DONE):
            stream.is_lost = True


def process(*, native_streams: bool) -> Policy:
    """One process; with `native_streams` direct messages have Slack's own streams."""

    @asynccontextmanager
    async def policy(slack: FakeSlack) -> AsyncGenerator[Answer]:
        outbound, pens = SimulatedOutbound(slack), Pens(slack.now)
        replies = replies_of(slack, outbound, native_streams=native_streams)
        writing = asyncio.ensure_future(pens.run())
        try:
            yield Ours([replies], outbound, pens).answer
        finally:
            writing.cancel()
            await replies.close()

    return policy


def replies_of(
    slack: FakeSlack,
    outbound: SimulatedOutbound,
    *,
    native_streams: bool = False,
    bucket_of: BucketOf | None = None,
) -> Replies:
    """The replies of one process, with the budgets that it is given."""

    async def sleep_until(moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - slack.now()))

    return Replies(
        outbound=outbound,
        parts=PartsInMemory(),
        data_messages=DataInMemory(),
        name_of=_name_of,
        native_streams=native_streams,
        bucket_of=bucket_of,
        now=slack.now,
        sleep_until=sleep_until,
    )


async def _name_of(_team_id: str, user_id: str) -> str:
    return user_id


def _turn(stream: Stream) -> Turn:
    ts = f"{1_790_000_000 + stream.number}.000100"
    question = TurnMessage(
        seq=1,
        ts=ts,
        author_id="U1",
        author_team_id=None,
        text="how warm is the kitchen?",
        files=(),
        mentioned=True,
        wanted=True,
    )
    return Turn(
        lease=Lease(
            team_id="T1",
            conversation_id=stream.number,
            turn_id=stream.number,
            epoch=1,
        ),
        thread=SlackThread(team_id="T1", channel_id=stream.channel, thread_ts=ts),
        assistant_thread_id=stream.number,
        messages=(question,),
        channel_kind=ChannelKind.IM if stream.is_direct else ChannelKind.CHANNEL,
        is_first_turn=True,
    )
