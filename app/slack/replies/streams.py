"""Which answers may be streamed, and how many at a time."""

from weakref import WeakSet

from app.domain import ChannelKind, Turn
from app.slack.replies.message import Method
from app.slack.replies.scheduler import EditScheduler
from app.slack.replies.story import Stream

# As many streams at a time as can be ended soon after each other, in seconds.
_ENDED_WITHIN = 4.0


class Streams:
    """Who may stream: workspaces that want it, while calls for it are left.

    A workspace that refuses it once is not asked again.
    """

    def __init__(self, scheduler: EditScheduler, *, is_wanted: bool) -> None:
        self.is_wanted = is_wanted
        self.refused: set[str] = set()
        self._scheduler = scheduler
        self._open: dict[str, WeakSet[Stream]] = {}

    def are_for(self, turn: Turn) -> bool:
        """Whether the answer to `turn` may be streamed."""
        is_direct = turn.channel_kind is ChannelKind.IM
        is_refused = turn.lease.team_id in self.refused
        return self.is_wanted and is_direct and bool(turn.wanted) and not is_refused

    def admit(self, team_id: str) -> Stream | None:
        """A place for one stream more; None while none can be begun, or soon ended."""
        places = self._open.setdefault(team_id, WeakSet())
        begun = sum(each.began_at is not None for each in places)
        starting = 1 + len(places) - begun
        wait = self._scheduler.wait_for
        if wait(team_id, Method.START, starting) > 0:
            return None
        if wait(team_id, Method.STOP, 1 + len(places)) > _ENDED_WITHIN:
            return None
        stream = Stream()
        places.add(stream)
        return stream

    def leave(self, team_id: str, stream: Stream) -> None:
        """Let another stream have the place."""
        self._open.get(team_id, WeakSet()).discard(stream)
