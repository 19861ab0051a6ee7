"""How busy one workspace is: who is painted while it grows, and how soon."""

import heapq
from collections.abc import Callable
from itertools import count
from math import ceil
from random import random

from app.slack.replies.message import GAP, Growth, Message

# So much of all edits is kept for the ends of those that are painted; more where the
# others show nothing at all.
_SHARE, _BLIND_SHARE = 0.55, 0.9
# Seconds that a reply is painted: of the first, the bounds, and how fast it is learnt.
_TYPICAL = 6.0
_SHORTEST, _LONGEST = 3.0, 120.0
_NEWEST = 0.1
# Posts bring text, too, so that there is a little more than edits alone.
_WITH_POSTS = 1.25
# The first words come so many seconds before their turn, within these bounds.
_EARLY = 1.25
_SOONEST, _LATEST = 0.1, 4.0
# A short answer may use up what a long one would have to share out.
_GAP_SHARE, _SMALLEST_GAP = 0.6, 0.5


class Load:
    """The replies of one workspace that are being written.

    Where there are many only some grow in view; of the others people see the status,
    and the whole text when it is done. `updates` are the edits a second that may be
    made, `part` (0 to 1) is this process's part of what all may do together.
    """

    def __init__(
        self, updates: Callable[[], float], part: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._updates = updates
        self._share = _SHARE
        self._part = part
        self._luck = 0.0
        self._duration = _TYPICAL
        self._writing: set[Growth] = set()
        self._painted: set[Growth] = set()
        self._waiting: list[tuple[float, int, int, Message]] = []
        self._order = count()

    @property
    def updates(self) -> float:
        """The edits a second that may be made."""
        return self._updates()

    @property
    def edited(self) -> int:
        """How many replies are being written that need edits to be seen."""
        return len(self._writing)

    @property
    def painted(self) -> int:
        """How many replies are in view and still grow."""
        return len(self._painted)

    @property
    def pace(self) -> float:
        """Seconds from one edit of a reply to its next, as things are."""
        return len(self._writing) / (_WITH_POSTS * self._updates())

    @property
    def gap(self) -> float:
        """Seconds between two edits of a reply, if there are budgets for more."""
        return min(max(self.pace * _GAP_SHARE, _SMALLEST_GAP), GAP)

    @property
    def first_paint_delay(self) -> float:
        """Seconds from the first words of a reply to their post."""
        return min(max(self.pace - _EARLY, _SOONEST), _LATEST)

    def has_no_status(self) -> None:
        """People of this workspace see nothing of a reply that is not painted."""
        self._share = _BLIND_SHARE

    def began(self, growth: Growth) -> None:
        """A reply has got its first words."""
        self._writing.add(growth)

    def needs_no_edits(self, growth: Growth) -> None:
        """A reply grows in view by other means."""
        self._writing.discard(growth)

    def paint(self, growth: Growth, now: float) -> None:
        """Let a reply grow in view, however many do."""
        if growth not in self._painted:
            growth.painted_at = now
            self._painted.add(growth)

    def is_painted(self, growth: Growth) -> bool:
        """Whether this one grows in view."""
        return growth in self._painted

    def ended(self, growth: Growth, now: float) -> None:
        """A reply grows no more; those that nobody may write any more leave with it."""
        if growth in self._painted:
            seconds = min(max(now - growth.painted_at, _SHORTEST), _LONGEST)
            self._duration += _NEWEST * (seconds - self._duration)
        for growing in (self._writing, self._painted):
            growing.discard(growth)
            growing -= {each for each in growing if not each.holds_lease()}
        self._luck = random()  # noqa: S311 - keeps no secret

    def is_idle(self) -> bool:
        """Whether nobody is being answered."""
        if any(message.stamp == stamp for *_, stamp, message in self._waiting):
            return False
        growing = self._writing | self._painted
        return not any(each.holds_lease() for each in growing)

    def wait(self, message: Message) -> None:
        """Keep `message` until there is a place for its reply."""
        entry = (message.unseen_since, next(self._order), message.stamp, message)
        heapq.heappush(self._waiting, entry)

    def admit(self, now: float) -> list[Message]:
        """Give free places to those who wait, the longest unseen first."""
        admitted = []
        while self._waiting and self._has_place():
            _, _, stamp, message = heapq.heappop(self._waiting)
            if message.stamp == stamp and message.growth:
                self.paint(message.growth, now)
                admitted.append(message)
        return admitted

    def _has_place(self) -> bool:
        part = self._part()
        places = ceil(self._share * self._updates() / part * self._duration + 1)
        # A part of a place is one for a part of the time, so that the parts of several
        # processes come to no more than the whole.
        return len(self._painted) + self._luck < places * part
