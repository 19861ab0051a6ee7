"""What was heard and told of one pass so far, whatever the protocol."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

from app.assistants import failures
from app.assistants.bounds import MOST_PUT_OUT, MOST_TEXT
from app.domain import GrowingText, Run, RunEvent, RunUpdate

Key = TypeVar("Key", bound=Hashable)


class Texts(dict[Key, GrowingText]):
    """The texts of one pass as they grow, no more of them than can be held."""

    def __init__(self) -> None:
        super().__init__()
        self._left = MOST_TEXT

    def grow(self, key: Key, delta: str) -> None:
        """Add to a text, or begin one. Raises AssistantError where it is too much."""
        self._left -= len(delta)
        if self._left < 0:
            raise failures.too_large()
        if key not in self:
            self[key] = GrowingText()
            if len(self) > MOST_PUT_OUT:
                raise failures.too_large()
        self[key].append(delta)


class RunTold:
    """Tells how the run stands, unless that was the last thing told of it."""

    def __init__(self) -> None:
        self._last = ""

    def update(self, run: Run, name: str | None = None) -> Sequence[RunEvent]:
        """The event for how it stands, by its own name or the one given."""
        name = name or f"thread.run.{run.status}"
        if name == self._last:
            return ()
        self._last = name
        return [RunUpdate(name, run)]
