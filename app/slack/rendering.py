"""The safe Markdown of a text that grows, each time at the price of its end alone."""

from app.slack.cutting import Cut, Filled, filled_to, next_cut
from app.slack.healing import heal
from app.slack.links import LinkPolicy
from app.slack.markdown import finished
from app.slack.settling import open_ended, settled
from app.slack.text import neutralise, readable

# No sign grows to more than this when it is made safe.
_GROWTH = 5


class Rendering:
    """Looks at one growing text; each look is as if it were made from scratch.

    What is finished, whatever may follow it, is made safe and measured once, and kept.
    `limit` is the size of a message, in characters, or in bytes if it `counts_bytes`:
    Slack counts the former in posts and the latter in streams. Another text may be
    given at any time: what is kept counts only for a text that begins with it.
    """

    __slots__ = ("_filled", "_finished", "_limit", "_links", "_safe", "counts_bytes")

    def __init__(self, links: LinkPolicy, limit: int) -> None:
        self._links = links
        self._limit = limit
        self.counts_bytes = False
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

    def settled(self, text: str) -> tuple[str, int]:
        """The safe look of what of a growing text is settled, and where that ends.

        It is the beginning of all later looks, as far as that can be known.
        """
        self._keep_for(text)
        kept, safe = len(self._finished), self._safe
        if not text[kept:].strip():
            # What follows must be in view, so some of what is finished is left out.
            kept, safe = 0, ""
        count = settled(text[kept:])
        return safe + open_ended(text[kept : kept + count], self._links), kept + count

    def _size(self, text: str) -> int:
        safe = neutralise(text, self._links)
        return len(safe.encode()) if self.counts_bytes else len(safe)

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
