"""The raw text of a reply as it grows, and what of it may be shown already."""

from app.domain import GrowingText


class Draft:
    """All text of a reply, written by appending and by replacing its last message.

    After a replacement the old text stays in view until the new one is at least as
    long, or is asked for. A draft may go on in messages that a former owner of the turn
    has written; where nobody knows what they show it `is_held`, and nothing there is
    overwritten yet.
    """

    __slots__ = ("_gap_due", "_length", "_message_start", "_old", "_text", "is_held")

    def __init__(self) -> None:
        self._text = GrowingText()
        self._length = 0
        self._message_start = 0
        self._gap_due = False
        self._old: str | None = None
        self.is_held = False

    def __len__(self) -> int:
        return self._length

    @property
    def text(self) -> str:
        """The newest text."""
        return str(self._text)

    @property
    def visible(self) -> str:
        """The text to show."""
        return self.text if self._old is None else self._old

    @property
    def shows_old(self) -> bool:
        """Whether a replacement waits until it is long enough to be shown."""
        return self._old is not None

    def go_on_from(self, shown: str) -> None:
        """Keep in view what a former owner has shown, as if all of it were replaced."""
        self._old = shown or None

    def start_message(self) -> None:
        """Set off what comes next by an empty line."""
        self._gap_due = self._length > 0
        self._message_start = self._length

    def append(self, delta: str) -> None:
        """Add to the message begun last."""
        if self._gap_due and delta:
            self._gap_due = False
            self._add("\n\n")
            self._message_start = self._length
        self._add(delta)
        if self._old is not None and self._length >= len(self._old):
            self._old = None

    def replace(self, text: str) -> int:
        """Put `text` in the place of the message begun last.

        Returns the offset from which on the newest text differs.
        """
        before = self.text
        shown = self.visible
        if self._gap_due:
            self.append(text)
            return len(before)
        newest = before[: self._message_start] + text
        self._text, self._length = GrowingText(newest), len(newest)
        self._old = shown if len(newest) < len(shown) else None
        return _first_difference(before, newest)

    def show_newest(self) -> None:
        """Let no old text wait for the newest to be as long."""
        self._old = None

    def _add(self, text: str) -> None:
        self._text.append(text)
        self._length += len(text)


def _first_difference(one: str, other: str) -> int:
    shorter = min(len(one), len(other))
    return next(
        (index for index in range(shorter) if one[index] != other[index]), shorter
    )
