"""The Reply protocol: where an answer goes while it is being written."""

from typing import Protocol

from app.domain import Doubt, Ending, Run, StoredDataMessage


class Reply(Protocol):
    """One answer to one turn, shown to people as it grows.

    Only `withdraw` and `finish` wait for the other side; nothing raises for what it
    does. The order of text and data messages is kept.
    """

    def start_message(self, message_id: str) -> None:
        """Begin a new message of the assistant; it is set off from the one before."""

    def append(self, delta: str) -> None:
        """Add text to show soon."""

    def replace(self, text: str) -> None:
        """Put `text` in the place of the message begun last.

        What is shown stays until the new text is at least as long or final.
        """

    def show_status(self, run: Run) -> None:
        """Show the run's status from now on."""

    def show_step(self, label: str) -> None:
        """Show what is being done beside writing, until the status changes."""

    def show_waiting(self, count: int) -> None:
        """Show how many messages wait for this answer to end."""

    def attach(self, data: StoredDataMessage) -> None:
        """Show a data message, whose row is committed, after the text so far."""

    async def ask(self, doubt: Doubt) -> bool:
        """Ask people to decide, once for each doubt, and say nothing more until then.

        False where nobody can be asked.
        """

    async def withdraw(self) -> str | None:
        """Take back the first sign: nothing will be said. Returns as `finish` does."""

    async def finish(self, ending: Ending) -> str | None:
        """Wait until the reader has the final text and status.

        Returns the reason, in the other side's word, when it never will have it. Raises
        AccessLost where nothing can be said at present: the turn is to wait.
        """
