"""The Assistant protocol: whatever answers a turn."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from app.domain import Run, RunEvent, ToolOutput, Turn


class Assistant(Protocol):
    """A model behind an API, seen as a stream of run events.

    Every stream ends with a RunUpdate whose status is terminal or requires_action.
    A run that failed is told as such an event; no stream raises for it. Closing a
    stream early (`aclose`) lets go of the connection at once.
    """

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the first pass of a turn whose messages are in the history."""

    def submit_tool_outputs(
        self, turn: Turn, run: Run, outputs: Sequence[ToolOutput]
    ) -> AsyncGenerator[RunEvent]:
        """Stream the next pass; the outputs are in the history already."""

    def resume(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the pass that a former owner of the turn did not complete."""

    async def said(self, turn: Turn) -> Sequence[str]:
        """Return the messages of the turn's committed passes, oldest first."""

    async def cancel(self, turn: Turn, run: Run) -> None:
        """Tell the other side that nobody waits for the turn's run any more.

        `run` may lack its id. Nothing raises for what the other side does.
        """
