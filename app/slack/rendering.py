"""The safe Markdown of a text that grows, each time at the price of its end alone."""

from app.slack.cutting import Cut, Filled, filled_to, next_cut
from app.slack.healing import heal
from app.slack.links import LinkPolicy
from app.slack.markdown import finished
from app.slack.text import neutralise, readable

# No sign grows to more than this when it is made safe.
_GROWTH = 5


class Rendering:
    """Looks at one growing text; each look is as if it were made from scratch.

    What is finished, whatever may follow it, is made safe and measured once, and kept.
    `limit` is the size of a message. Another text may be given at any time: what is
    kept counts only for a text that begins with it.
    """

    __slots__ = ("_filled", "_finished", "_limit", "_links", "_safe")

    def __init__(self, links: LinkPolicy, limit: int) -> None:
        self._links = links
        self._limit = limit
        self.forget()

    def forget(self) -> None:
        """Keep nothing."""
        self._finished = self._safe = ""
        self._filled = Filled()

    def cut(self, source: str, opening: str) -> Cut | None:
        """Where `opening + source` must be cut to fit into one message, if it must."""
        text = opening + source
        self._keep_for(text)
        # Safe by far, and measuring is dear. A table may be too long for other reasons.
        if len(text) * _GROWTH > self._limit or "|" in text:
            cut = next_cut(source, opening, self._limit, self._size, self._filled)
            if cut is not None:
                return cut
        self._finish(text)
        return None

    def interim(self, text: str) -> str:
        """The safe look of a text that still grows: healed where it breaks off."""
        self._keep_for(text)
        rest = text[len(self._finished) :]
        return self._safe + neutralise(heal(rest), self._links)

    def _size(self, text: str) -> int:
        return len(neutralise(text, self._links))

    def _keep_for(self, text: str) -> None:
        if not text.startswith(self._finished):
            self.forget()

    def _finish(self, text: str) -> None:
        start = len(self._finished)
        end = start + finished(text[start:])
        new = text[start:end]
        # Where signs are dropped, lines may mean another thing than they seem to.
        if new and readable(new) == new:
            self._filled = filled_to(text, end, self._limit, self._size, self._filled)
            self._safe += neutralise(new, self._links)
            self._finished = text[:end]
