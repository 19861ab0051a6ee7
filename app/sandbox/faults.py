"""Faults on demand: what goes wrong, where, and how often."""

from collections import defaultdict, deque
from dataclasses import dataclass
from enum import StrEnum

FaultValue = float | str | tuple[int, int] | None


class FaultKind(StrEnum):
    """What can go wrong with a call (first five) or with an event (last three)."""

    DELAY = "delay"
    ERROR = "error"
    STATUS = "status"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    DUPLICATE = "duplicate"
    LATE = "late"
    NEVER = "never"


_OF_EVENTS = {FaultKind.DUPLICATE, FaultKind.LATE, FaultKind.NEVER}


@dataclass(slots=True)
class Fault:
    """One planned fault; `count` is how often it still happens, None for ever.

    `value` is the seconds of a delay or of a late event, the code of an error, or the
    HTTP status, which for 429 may come with its seconds as (429, 30).
    """

    kind: FaultKind
    count: int | None
    value: FaultValue

    @property
    def seconds(self) -> float:
        """How long the fault waits; one second unless said otherwise."""
        return float(self.value) if isinstance(self.value, int | float) else 1.0


class Faults:
    """The planned faults, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._planned: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def plan(
        self, target: str, kind: str, count: int | None, value: FaultValue
    ) -> None:
        """Let the next `count` calls of a method, or events, go wrong.

        `target` is a method, or `event:` with an event's type, `interactive`,
        `slash_commands` or `*`. Raises ValueError for a kind that does not fit it.
        """
        wanted = FaultKind(kind)
        if (wanted in _OF_EVENTS) != target.startswith("event:"):
            raise ValueError(f"{kind} is not a fault of {target}")
        if count is None or count > 0:
            self._planned[target].append(Fault(wanted, count, value))

    def take(self, *targets: str) -> Fault | None:
        """Use up and return the fault that is due for any of these names."""
        for target in targets:
            planned = self._planned.get(target)
            if planned:
                fault = planned[0]
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        planned.popleft()
                return fault
        return None

    def clear(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()
