"""The Reply protocol: where an answer goes while it is being written."""

from typing import Protocol

from app.domain import Ending, Run, StoredDataMessage


class Reply(Protocol):
    """One answer to one turn, shown to people as it grows.

    All methods but `finish` never wait and never raise for what the other side does.
    The order of text and data messages is kept.
    """

    def start_message(self, message_id: str) -> None:
        """Begin a new message of the assistant; it is set off from the one before."""

    def append(self, delta: str) -> None:
        """Add text to show soon."""

    def replace(self, text: str) -> None:
        """Put `text` in the place of the message begun last.

        What is shown stays until the new text is at least as long or final.
        """

    def show_status(self, run: Run, label: str | None = None) -> None:
        """Show the run's status; `label` says what is being done, in a few words."""

    def attach(self, data: StoredDataMessage) -> None:
        """Show a data message, whose row is committed, after the text so far."""

    async def finish(self, ending: Ending) -> str | None:
        """Wait until the reader has the final text and status.

        Returns the reason, in the other side's word, when it never will have it.
        """

    @property
    def text(self) -> str:
        """The whole raw text so far."""
