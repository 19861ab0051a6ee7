"""AssistantResponse: forwards what the assistant streams to whoever reads it."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing

from app.crash import crash
from app.domain import (
    AssistantThreadCreated,
    Citation,
    DataMessage,
    GrowingText,
    MessageStarted,
    Notice,
    Run,
    RunError,
    RunEvent,
    RunStatus,
    RunUpdate,
    StepUpdate,
    StoredDataMessage,
    TextDelta,
    TextDone,
)
from app.turns.reply import Reply
from app.turns.stopping import until_stopped

StoreData = Callable[[DataMessage], Awaitable[StoredDataMessage]]

_NOTHING_YET = Run(run_id="", status=RunStatus.QUEUED)
_MOST_SOURCES = 8
# Longer ones are shown to nobody, neither as words nor as links.
_LONGEST_SOURCE = 1_000


class AssistantResponse:
    """One answer in the making: any number of streams and data messages, in order."""

    def __init__(
        self, reply: Reply, *, store_data: StoreData, stop: asyncio.Event
    ) -> None:
        self._reply = reply
        self._store_data = store_data
        self._stop = stop
        self._pass: list[GrowingText] = []
        self._cited: dict[Citation, None] = {}

    @property
    def pass_text(self) -> str:
        """The text of the stream forwarded last, as far as it came."""
        return "\n\n".join(text for text in map(str, self._pass) if text)

    async def send_data_message(self, message: DataMessage) -> None:
        """Show a data message after the text so far; its row is committed on return."""
        self._reply.attach(await self._store_data(message))

    async def forward_stream(self, stream: AsyncGenerator[RunEvent]) -> Run:
        """Forward one stream to its end and return the run as it then is.

        Once a stop is asked for the stream is closed and the run is `cancelled`. A
        stream that ends without saying how becomes a run that `failed`.
        """
        self._pass = []
        self._cited = {}
        latest = _NOTHING_YET

        async def forward() -> None:
            nonlocal latest
            async with aclosing(stream):
                async for event in stream:
                    if isinstance(event, RunUpdate):
                        latest = event.run
                    if isinstance(event, Notice):
                        data = {"text": event.text}
                        notice = DataMessage(type="notice", data=data)
                        await self.send_data_message(notice)
                    else:
                        self._show(event)
            if self._cited:
                await self.send_data_message(_sources(self._cited))

        if self._stop.is_set():
            await stream.aclose()
        else:
            await until_stopped(forward(), self._stop)
        if latest.status is RunStatus.REQUIRES_ACTION or latest.status.is_terminal:
            return latest
        if self._stop.is_set():
            return Run(run_id=latest.run_id, status=RunStatus.CANCELLED)
        return Run(run_id=latest.run_id, status=RunStatus.FAILED, error=_ENDED_EARLY)

    def _show(self, event: RunEvent) -> None:
        match event:
            case TextDelta(text=text):
                self._add_to_pass(text)
                self._reply.append(text)
                crash("C7")
            case TextDone(text=text, citations=citations):
                self._cited.update(dict.fromkeys(citations))
                if text != (str(self._pass[-1]) if self._pass else ""):
                    self._replace_in_pass(text)
                    self._reply.replace(text)
            case MessageStarted(message_id=message_id):
                self._pass.append(GrowingText())
                self._reply.start_message(message_id)
            case RunUpdate(run=run):
                self._reply.show_status(run)
            case StepUpdate(label=label):
                self._reply.show_step(label)
            case AssistantThreadCreated():
                pass

    def _add_to_pass(self, text: str) -> None:
        if not self._pass:
            self._pass.append(GrowingText())
        self._pass[-1].append(text)

    def _replace_in_pass(self, text: str) -> None:
        self._pass[-1:] = [GrowingText(text)]


def _sources(cited: Iterable[Citation]) -> DataMessage:
    shown = list(cited)[:_MOST_SOURCES]
    return DataMessage(type="sources", data={"sources": [*map(_source, shown)]})


def _source(cited: Citation) -> dict[str, str]:
    is_short = len(cited.url) <= _LONGEST_SOURCE
    return {
        "title": cited.title[:_LONGEST_SOURCE],
        "url": cited.url if is_short else "",
    }


_ENDED_EARLY = RunError(
    code="stream_ended_early",
    message="The connection to the model was lost.",
)
