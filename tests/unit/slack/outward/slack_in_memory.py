"""A Slack that fits into a dictionary, at the seam where replies leave us."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain import Lease, ReplyPart, SlackThread, StoredDataMessage
from app.errors import (
    LeaseLost,
    MessageGone,
    PlaceClosed,
    SlackError,
    StreamRefused,
)
from app.slack.blocks import Payload
from app.slack.gate import check, check_markdown
from app.slack.outbound import Outbound, Reader, StreamEnding, StreamSought
from app.storage.data_messages import DataMessages
from app.storage.reply_parts import ReplyParts
from bench.virtual import Clock

# As others have seen it: of neither does Slack tell.
LIFETIME = 300.0
MOST_STREAMED = 11_000


@dataclass
class Call:
    method: str
    at: float
    thread: SlackThread
    ts: str = ""
    payload: Payload | None = None


@dataclass
class Fault:
    """What the next call of a method meets; `is_taken` if Slack acted all the same."""

    method: str
    error: Exception
    is_taken: bool = False


@dataclass
class SlackInMemory(Outbound):
    """Keeps what was sent; a reader sees `messages` in the order of their posts."""

    clock: Clock
    latency: float = 0.1
    messages: dict[str, Payload] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    streams: dict[str, float] = field(default_factory=dict)
    status: str = ""
    statuses: list[str] = field(default_factory=list)

    async def post(
        self, thread: SlackThread, payload: Payload, *, may_send: Callable[[], bool]
    ) -> str:
        check(payload)
        ts = f"{len(self.calls) + 1}.0"
        fault = await self._meet("chat.postMessage", thread, may_send, ts, payload)
        if fault is None or fault.is_taken:
            self.messages[ts] = payload
            self.status = ""
        _raise(fault)
        return ts

    async def update(
        self,
        thread: SlackThread,
        ts: str,
        payload: Payload,
        *,
        may_send: Callable[[], bool],
    ) -> None:
        check(payload)
        fault = await self._meet("chat.update", thread, may_send, ts, payload)
        if ts not in self.messages:
            raise MessageGone("message_not_found", "chat.update")
        if self._is_open(ts):
            raise StreamRefused("streaming_state_conflict", "chat.update")
        if fault is None or fault.is_taken:
            self.messages[ts] = payload
        _raise(fault)

    async def start_stream(
        self,
        thread: SlackThread,
        text: str,
        reader: Reader,
        *,
        may_send: Callable[[], bool],
    ) -> str:
        check_markdown(text)
        assert reader == Reader("T1", "U1")
        ts = f"{200 + len(self.calls)}.0"
        fault = await self._meet("chat.startStream", thread, may_send, ts)
        if fault is None or fault.is_taken:
            self.streams[ts] = self.clock.now()
            self.messages[ts] = streamed(text)
            self.status = ""
        _raise(fault)
        return ts

    async def append_stream(
        self, thread: SlackThread, ts: str, text: str, *, may_send: Callable[[], bool]
    ) -> None:
        check_markdown(text)
        fault = await self._meet("chat.appendStream", thread, may_send, ts)
        self._grow(ts, fault, text)
        _raise(fault)

    async def stop_stream(
        self,
        thread: SlackThread,
        ts: str,
        ending: StreamEnding,
        *,
        may_send: Callable[[], bool],
    ) -> None:
        check_markdown(ending.text, ending.blocks)
        fault = await self._meet("chat.stopStream", thread, may_send, ts)
        self._grow(ts, fault, ending.text, ending)
        if fault is None or fault.is_taken:
            del self.streams[ts]
        _raise(fault)

    def _grow(
        self,
        ts: str,
        fault: Fault | None,
        text: str,
        ending: StreamEnding | None = None,
    ) -> None:
        """Slack loses white space at a seam, so none may be there."""
        assert not text[:1].isspace()
        if ts not in self.messages:
            raise MessageGone("message_not_found")
        if not self._is_open(ts):
            raise StreamRefused("message_not_in_streaming_state")
        if fault is None or fault.is_taken:
            whole = read(self.messages[ts]) + text
            assert len(whole.encode()) <= MOST_STREAMED
            self.messages[ts] = streamed(whole, ending)

    def _is_open(self, ts: str) -> bool:
        return self.streams.get(ts, -LIFETIME) + LIFETIME > self.clock.now()

    async def delete(
        self,
        thread: SlackThread,
        ts: str,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        fault = await self._meet("chat.delete", thread, may_send, ts)
        _raise(fault)
        if self._is_open(ts):
            raise PlaceClosed("cant_delete_message", "chat.delete")
        del self.messages[ts]

    async def set_status(
        self,
        thread: SlackThread,
        status: str,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        fault = await self._meet("assistant.threads.setStatus", thread, may_send)
        if fault is None or fault.is_taken:
            self.status = status
            self.statuses.append(status)
        _raise(fault)

    async def find(
        self,
        thread: SlackThread,
        post_key: str,
        *,
        since: str = "0",  # noqa: ARG002 - all that was posted was posted since
        stream: StreamSought | None = None,
    ) -> str | None:
        fault = await self._meet("conversations.replies", thread, lambda: True)
        _raise(fault)
        keys = {
            ts: (payload.metadata or {}).get("event_payload", {}).get("key")
            for ts, payload in self.messages.items()
        }
        for ts, key in keys.items():
            message = {"ts": ts, "bot_id": "B1", "metadata": self.messages[ts].metadata}
            if key == post_key or (stream and stream.is_it(message)):
                return ts
        return None

    def fail(self, method: str, error: SlackError, *, is_taken: bool = False) -> None:
        self.faults.append(Fault(method, error, is_taken))

    def of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    async def _meet(
        self,
        method: str,
        thread: SlackThread,
        may_send: Callable[[], bool],
        ts: str = "",
        payload: Payload | None = None,
    ) -> Fault | None:
        if not may_send():
            raise LeaseLost
        self.calls.append(Call(method, self.clock.now(), thread, ts, payload))
        await asyncio.sleep(self.latency)
        fault = next((each for each in self.faults if each.method == method), None)
        if fault:
            self.faults.remove(fault)
        return fault


def _raise(fault: Fault | None) -> None:
    if fault:
        raise fault.error


@dataclass
class PartsInMemory(ReplyParts):
    turns: dict[int, dict[int, ReplyPart]] = field(default_factory=dict)
    text: str | None = None
    newest: int | None = None

    @property
    def rows(self) -> dict[int, ReplyPart]:
        """The parts of the only turn, or of the first."""
        return next(iter(self.turns.values()), {})

    async def parts(self, lease: Lease) -> list[ReplyPart]:
        rows = self.turns.get(lease.turn_id, {})
        return [rows[number] for number in sorted(rows)]

    async def text_so_far(self, lease: Lease) -> str | None:  # noqa: ARG002 - one turn is all there is
        return self.text

    async def is_newest(self, lease: Lease) -> bool:
        return self.newest in (None, lease.epoch)

    async def checkpoint(self, lease: Lease, text: str) -> None:  # noqa: ARG002 - one turn is all there is
        self.text = text

    async def intend(
        self, lease: Lease, part: ReplyPart, text: str | None = None
    ) -> None:
        self.text = self.text if text is None else text
        rows = self.turns.setdefault(lease.turn_id, {})
        rows.setdefault(part.part_no, part)

    async def posted(self, lease: Lease, part_no: int, ts: str) -> None:
        self._change(lease, part_no, ts=ts)

    async def seal(self, lease: Lease, part_no: int, start: int, end: int) -> None:
        self._change(lease, part_no, start=start, end=end, sealed=True)

    async def forget(self, lease: Lease, part_no: int) -> None:
        self.turns[lease.turn_id].pop(part_no)

    def _change(self, lease: Lease, part_no: int, **changes: object) -> None:
        rows = self.turns[lease.turn_id]
        rows[part_no] = replace(rows[part_no], **changes)  # type: ignore[arg-type]


@dataclass
class DataInMemory(DataMessages):
    stored: list[StoredDataMessage] = field(default_factory=list)
    part_of: dict[int, int] = field(default_factory=dict)

    async def of_turn(self, lease: Lease) -> list[StoredDataMessage]:  # noqa: ARG002 - one turn is all there is
        return [
            StoredDataMessage(
                seq=each.seq, message=each.message, part_no=self.part_of.get(each.seq)
            )
            for each in self.stored
        ]

    async def shown(
        self,
        lease: Lease,  # noqa: ARG002 - one turn is all there is
        seqs: Sequence[int],
        part_no: int,
    ) -> None:
        self.part_of.update(dict.fromkeys(seqs, part_no))


def streamed(text: str, ending: StreamEnding | None = None) -> Payload:
    """What a message shows that is being streamed, or was."""
    body = ({"type": "markdown", "text": text},) if text else ()
    if ending is None:
        return Payload(text=text, blocks=body)
    blocks = (*body, *ending.blocks)
    return Payload(text=text, blocks=blocks, metadata=ending.metadata)


def read(payload: Payload) -> str:
    """All that a person reads in a message, one line for each block."""
    lines = [_words(block) for block in payload.blocks]
    for attachment in payload.attachments or ():
        lines += [f"▌ {_words(block)}" for block in attachment["blocks"]]
    return "\n".join(lines)


def _words(block: Mapping[str, Any]) -> str:
    match block["type"]:
        case "markdown":
            return str(block["text"])
        case "context":
            return f"— {block['elements'][0]['text']}"
        case "actions":
            return f"[{block['elements'][0]['text']['text']}]"
        case _:
            fields = [each["text"] for each in block.get("fields", ())]
            return " | ".join(fields) or str(block["text"]["text"])
