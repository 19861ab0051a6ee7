"""Messages that grow by chat.appendStream, each until it is stopped or too old."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app.sandbox.records import Message

# Slack: not documented; seen by those who probed it.
LIFETIME = 300.0
MOST_BYTES = 11_000


class Mode(StrEnum):
    """What a stream takes for all its life: that with which it was begun."""

    TEXT = "markdown_text"
    CHUNKS = "chunks"


@dataclass(slots=True, kw_only=True)
class Stream:
    """One message that is being streamed; `text` is all that it was sent."""

    channel_id: str
    ts: str
    began_at: float
    mode: Mode
    text: str = ""


class Streams:
    """All streams that are open, and which ones a person has stopped."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[tuple[str, str], Stream] = {}
        self._stopped: set[tuple[str, str]] = set()

    def begin(self, message: Message, mode: Mode) -> Stream:
        """Open the stream of a message."""
        stream = Stream(
            channel_id=message.channel_id,
            ts=message.ts,
            began_at=self._clock(),
            mode=mode,
        )
        self._open[message.channel_id, message.ts] = stream
        return stream

    def get(self, message: Message) -> Stream | None:
        """Return the stream of a message, unless it is over."""
        return self._open.get((message.channel_id, message.ts))

    def end(self, message: Message, *, by_person: bool = False) -> None:
        """Take nothing more for a message."""
        key = (message.channel_id, message.ts)
        self._open.pop(key, None)
        if by_person:
            self._stopped.add(key)

    def was_stopped(self, message: Message) -> bool:
        """Whether a person has stopped the stream of a message."""
        return (message.channel_id, message.ts) in self._stopped

    def too_old(self) -> list[Stream]:
        """Return the streams whose time is over, however busy they are."""
        latest = self._clock() - LIFETIME
        return [each for each in self._open.values() if each.began_at <= latest]
