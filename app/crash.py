"""Places where a process can be made to die, to see that another one goes on.

`THREADLINE_CRASH_AT=C7` in the environment with which a process was started kills it
where it first comes to C7, `C7:3` where it does so for the third time. Nothing that
happens later can set a place off, so in production each costs one comparison.
"""

import os
import signal
from collections.abc import Mapping

POINTS: Mapping[str, str] = {
    "C0": "a message is verified and written, not committed",
    "C1": "a message is committed, not acknowledged",
    "C2": "a turn is about to be claimed, not committed",
    "C3": "a turn is claimed, and nobody sees it yet",
    "C4": "a part of the answer is posted, its place not saved",
    "C5": "a turn's messages are in the history, which is not recorded",
    "C6": "the model has taken the request, of which nothing is recorded",
    "C7": "text of the answer has come, and more is to come",
    "C8": "the calls of a pass are committed, none has begun",
    "C9": "a tool is about to have its effect",
    "C10": "a tool has had its effect, its result is not committed",
    "C11": "outputs are submitted and answered, which is not recorded",
    "C12": "a data message is in Slack, which is not recorded",
    "C13": "how the turn ends is committed, the answer not delivered",
    "C14": "the whole answer is delivered, its turn not ended",
    "C15": "a process that was told to end has let go of its turns",
    "C17": "the schema is changed, not committed",
}


class Trap:
    """Springs where a process comes to one place for the `times`th time."""

    def __init__(self, point: str, times: int) -> None:
        self._point = point
        self._left = times

    @classmethod
    def set_by(cls, words: str | None) -> "Trap | None":
        """Read `C7` or `C7:3`; no words are no trap. ValueError for unknown ones."""
        if words is None:
            return None
        point, _, times = words.partition(":")
        if point not in POINTS:
            raise ValueError(f"THREADLINE_CRASH_AT: there is no {point}")
        return cls(point, int(times or 1))

    def springs(self, point: str) -> bool:
        """Whether it is time, now that the process has come to `point`."""
        if point == self._point:
            self._left -= 1
            return self._left == 0
        return False


_trap = Trap.set_by(os.environ.get("THREADLINE_CRASH_AT"))


def crash(point: str) -> None:
    """Die at once, as by SIGKILL, if this process was started to do so here."""
    if _trap is not None and _trap.springs(point):
        os.kill(os.getpid(), signal.SIGKILL)
