"""Which answers may be streamed, and how many at a time."""

from weakref import WeakSet

from app.domain import ChannelKind, Turn
from app.slack.replies.message import Growth, Method
from app.slack.replies.scheduler import EditScheduler
from app.slack.replies.story import Stream

# As many streams at a time as can be ended soon after each other, in seconds.
_ENDED_WITHIN = 4.0
# A person reads no faster, and a stream alone has calls for it.
_SHORTEST_GAP = 0.2
# Several streams spend what they have saved a little sooner than it comes in.
_SPENT = 0.9
# A stream is worth a little less than its calls, as two of them show nothing new.
_WORTH = 0.8


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

    def admit(self, growth: Growth, *, own: int = 0) -> Stream | None:
        """A place for one stream more.

        None while none can be begun, or soon ended, or edits show a text more often.
        `own` are those of the same reply, which are about to end.
        """
        team_id = growth.team_id
        places = self._open.get(team_id, WeakSet())
        if self._is_fresher_by_edits(team_id, len(places) - own):
            return None
        begun = sum(each.began_at is not None for each in places)
        starting = 1 + len(places) - begun
        wait = self._scheduler.wait_for
        if wait(team_id, Method.START, starting) > 0:
            return None
        if wait(team_id, Method.STOP, 1 + len(places)) > _ENDED_WITHIN:
            return None
        stream = Stream()
        self._open.setdefault(team_id, places).add(stream)
        self._scheduler.load(team_id).needs_no_edits(growth)
        return stream

    def gap(self, team_id: str) -> float:
        """Seconds to keep between two pieces of one stream."""
        open_now = len(self._open.get(team_id, ()))
        return max(_SHORTEST_GAP, _SPENT * (open_now - 0.5) / self._appends(team_id))

    def _is_fresher_by_edits(self, team_id: str, streams: int) -> bool:
        load = self._scheduler.load(team_id)
        streamed_every = (streams + 1) / self._appends(team_id)
        return streamed_every > _WORTH * max(1, load.edited) / load.updates

    def _appends(self, team_id: str) -> float:
        return self._scheduler.rate(team_id, Method.APPEND)

    def leave(self, team_id: str, stream: Stream) -> None:
        """Let another stream have the place."""
        places = self._open.get(team_id, WeakSet())
        places.discard(stream)
        if not places:
            self._open.pop(team_id, None)
