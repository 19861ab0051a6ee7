"""Stand-ins for seams; each keeps the promises of the seam it stands for."""

from collections.abc import AsyncGenerator, Iterable, Sequence

from app.domain import Doubt, Ending, Run, RunEvent, StoredDataMessage, ToolOutput, Turn


class RecordingReply:
    """A reply whose reader sees everything at once, in order."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.statuses: list[str] = []
        self.steps: list[str] = []
        self.data: list[StoredDataMessage] = []
        self.waiting = 0
        self.is_withdrawn = False
        self.doubts: list[Doubt] = []
        self.ending: Ending | None = None

    async def open(self) -> None:
        """Nothing stands there yet."""

    def start_message(self, message_id: str) -> None:
        assert message_id
        self.messages.append("")

    def append(self, delta: str) -> None:
        if not self.messages:
            self.messages.append("")
        self.messages[-1] += delta

    def replace(self, text: str) -> None:
        self.messages[-1:] = [text]

    def show_status(self, run: Run) -> None:
        self.statuses.append(run.status)

    def show_step(self, label: str) -> None:
        self.steps.append(label)

    def show_waiting(self, count: int) -> None:
        self.waiting = count

    def attach(self, data: StoredDataMessage) -> None:
        self.data.append(data)

    async def ask(self, doubt: Doubt) -> bool:
        self.doubts.append(doubt)
        return True

    async def withdraw(self) -> str | None:
        self.is_withdrawn = True
        return None

    async def finish(self, ending: Ending) -> str | None:
        self.ending = ending
        return None


async def stream_of(events: Iterable[RunEvent]) -> AsyncGenerator[RunEvent]:
    """A stream that yields these events and ends."""
    for event in events:
        yield event


class ScriptedAssistant:
    """An assistant whose passes are written down; it notes what it was asked."""

    def __init__(self, *passes: Sequence[RunEvent]) -> None:
        self._passes = list(passes)
        self.asked: list[str] = []
        self.cancelled: list[Run] = []
        self.said_before: list[str] = []

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        assert turn.wanted
        return self._next("run")

    def submit_tool_outputs(
        self, turn: Turn, run: Run, outputs: Sequence[ToolOutput]
    ) -> AsyncGenerator[RunEvent]:
        assert turn.wanted
        assert len(outputs) == len(run.tool_calls)
        return self._next("submit")

    def resume(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        assert turn.is_prepared
        return self._next("resume")

    async def said(self, turn: Turn) -> Sequence[str]:
        assert turn.is_prepared
        return self.said_before

    async def cancel(self, turn: Turn, run: Run) -> None:
        assert turn.wanted
        self.cancelled.append(run)

    async def _next(self, how: str) -> AsyncGenerator[RunEvent]:
        self.asked.append(how)
        for event in self._passes.pop(0):
            yield event
