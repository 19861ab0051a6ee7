"""A reply as lines: each word is sent once and can't be taken back."""

from collections.abc import Callable

from app.domain import Doubt, Ending, GrowingText, Run, StoredDataMessage, Turn
from app.web.data import data_of
from app.web.lines import Code, Lines
from app.web.words import CORRECTED, apology


class LineReply:
    """One answer to one turn, as the text is written, to one reader.

    The pieces of a message, put together, are the model's text exactly. Where the model
    says otherwise than what was sent, the reader is told, the lines end, and
    `on_contradiction` is called.
    """

    def __init__(
        self, turn: Turn, lines: Lines, on_contradiction: Callable[[], None]
    ) -> None:
        self._lines = lines
        self._turn_id = turn.turn_id
        self._on_contradiction = on_contradiction
        self._parts = 0
        self._is_part_open = False
        # Of the message begun last: what was sent, and what it says by now if that is
        # less or other than what was sent.
        self._sent = GrowingText()
        self._anew: str | None = None
        self._shown_data: set[int] = set()

    def start_message(self, message_id: str) -> None:  # noqa: ARG002
        """Begin a new message; its id on the wire is ours, and unlike all others.

        Some servers number the messages of each pass from the start.
        """
        if self._anew is not None:
            self._contradict()
        self._sent = GrowingText()
        self._begin_part()

    def append(self, delta: str) -> None:
        """Send more text, after the data message that came between in a new part."""
        if self._anew is not None:
            self.replace(self._anew + delta)
        elif delta:
            self._send(delta)

    def replace(self, text: str) -> None:
        """Send what `text` has beyond what was sent.

        As long as it is the beginning of that, nothing is: the rest may come yet.
        """
        sent = str(self._sent)
        if text.startswith(sent):
            self._anew = None
            if rest := text.removeprefix(sent):
                self._send(rest)
        elif sent.startswith(text):
            self._anew = text
        else:
            self._contradict()

    def show_status(self, run: Run) -> None:
        """Statuses have no line."""

    def show_step(self, label: str) -> None:
        """Nor have steps."""

    def show_waiting(self, count: int) -> None:
        """Nor has who else waits."""

    def attach(self, data: StoredDataMessage) -> None:
        """Send a data message, once."""
        if data.seq in self._shown_data:
            return
        self._shown_data.add(data.seq)
        self._is_part_open = False
        self._lines.put(
            Code.DATA,
            {
                "id": f"data_{self._turn_id}_{data.seq}",
                "role": "data",
                "data": data_of(data.message),
            },
        )

    async def ask(self, doubt: Doubt) -> bool:  # noqa: ARG002 - as in Reply
        """Ask nobody: who reads the lines can't come back to them."""
        return False

    async def withdraw(self) -> str | None:
        """End without a word."""
        self._lines.close()
        return None

    async def finish(self, ending: Ending) -> str | None:
        """End the lines, with a word about what went wrong."""
        told = apology(ending)
        if told is None and self._anew is not None:
            told = CORRECTED
        if told:
            self._lines.put(Code.ERROR, told)
        self._lines.close()
        return "reader_left" if self._lines.is_broken else None

    def _begin_part(self) -> None:
        self._parts += 1
        self._is_part_open = True
        self._lines.put(
            Code.MESSAGE,
            {
                "id": f"assistant_{self._turn_id}_{self._parts}",
                "role": "assistant",
                "content": [{"type": "text", "text": {"value": ""}}],
            },
        )

    def _send(self, text: str) -> None:
        # A reader adds text to its last message, and must not add it to a data message.
        if not self._is_part_open:
            self._begin_part()
        self._sent.append(text)
        self._lines.text(text)

    def _contradict(self) -> None:
        self._anew = None
        self._lines.put(Code.ERROR, CORRECTED)
        self._lines.close()
        self._on_contradiction()
