"""What is kept of each workspace while calls are made there, and when it is forgotten.

A process may serve any number of workspaces and channels: of those where nothing is
under way nothing is kept that would be the same if it were made anew.
"""

from collections.abc import Callable

from app.slack.replies.budget import POSTS_PER_CHANNEL, Bucket, Crowd
from app.slack.replies.load import Load
from app.slack.replies.message import Message, Method, Priority

BucketOf = Callable[[str, Method], Bucket]

# So much of a token is kept for the end of each message that is still growing.
_RESERVE = 0.5
_FRONT = 16
# With so many, those that are idle are looked for.
_MANY_WORKSPACES = 500
_MANY_CHANNELS = 2_000


class Lane:
    """The messages that wait for a token of one (team, method)."""

    __slots__ = ("blamed", "bucket", "in_flight", "load", "ready", "wakes_at")

    def __init__(self, bucket: Bucket, load: Load | None) -> None:
        self.bucket = bucket
        self.load = load
        self.ready: list[tuple[Priority, float, int, int, Message]] = []
        self.in_flight = 0
        self.wakes_at = float("inf")
        # The channel that was refused a post last, and until when.
        self.blamed = ("", 0.0)

    def need(self, priority: Priority) -> float:
        """The tokens that must be there: what must not wait finds one kept for it."""
        if priority <= Priority.DATA or self.load is None:
            return 1.0
        return 1.0 + min(_RESERVE * self.load.painted, self.bucket.burst - 1)

    def crowd(self) -> Crowd:
        """Who waits for calls, and who soon will.

        The most urgent stand in front, and of a crowd no more could be sent at once.
        """
        front = self.ready[:_FRONT]
        urgent = sum(priority <= Priority.DATA for priority, *_ in front)
        waiting, load = len(self.ready), self.load
        return Crowd(
            urgent=urgent,
            waiting=waiting,
            growing=load.painted if load else 0,
            writing=load.edited if load else waiting,
            reserve=self.need(Priority.TEXT) - 1,
        )

    def is_idle(self, now: float) -> bool:
        """Whether nothing waits or is under way, and the bucket has nothing to tell."""
        is_quiet = not self.in_flight and self.wakes_at == float("inf")
        if not is_quiet or any(each.stamp == stamp for *_, stamp, each in self.ready):
            return False
        return now >= self.blamed[1] and self.bucket.is_full(now)


class _Workspace:
    """The budgets of one workspace, and how busy it is."""

    __slots__ = ("lanes", "load")

    def __init__(self, load: Load) -> None:
        self.load = load
        self.lanes: dict[Method, Lane] = {}

    def is_idle(self, now: float) -> bool:
        lanes = self.lanes.values()
        return self.load.is_idle() and all(lane.is_idle(now) for lane in lanes)


class Workspaces:
    """All workspaces and channels where something is under way, or was of late.

    `bucket_of` gives the budget of a workspace for one method, asked once for each
    until it is forgotten; `on_change` is called with a lane that has got tokens. No
    lane and no load is to be kept by who asked for it: it may not be the one that
    counts any more once other workspaces were asked for.
    """

    def __init__(
        self,
        now: Callable[[], float],
        bucket_of: BucketOf,
        on_change: Callable[[Lane], None],
    ) -> None:
        self._now = now
        self._bucket_of = bucket_of
        self._on_change = on_change
        self._workspaces: dict[str, _Workspace] = {}
        self._channels: dict[tuple[str, str], Bucket] = {}
        self._most_workspaces = _MANY_WORKSPACES
        self._most_channels = _MANY_CHANNELS

    def lane(self, team_id: str, method: Method) -> Lane:
        """Where calls of a method wait for their budget."""
        workspace = self._workspace(team_id)
        lane = workspace.lanes.get(method)
        if lane is None:
            load = workspace.load if method is Method.UPDATE else None
            lane = Lane(self._bucket_of(team_id, method), load)
            lane.bucket.on_change = lambda: self._on_change(lane)
            workspace.lanes[method] = lane
        return lane

    def load(self, team_id: str) -> Load:
        """How busy a workspace is."""
        return self._workspace(team_id).load

    def channel(self, team_id: str, channel_id: str) -> Bucket:
        """The posts that a channel takes."""
        key = (team_id, channel_id)
        if key not in self._channels:
            self._make_room_for_channels()
            self._channels[key] = Bucket(POSTS_PER_CHANNEL, self._now())
        return self._channels[key]

    def _workspace(self, team_id: str) -> _Workspace:
        workspace = self._workspaces.get(team_id)
        if workspace is None:
            self._make_room_for_workspaces()
            workspace = _Workspace(
                Load(
                    lambda: self.lane(team_id, Method.UPDATE).bucket.per_second,
                    lambda: self.lane(team_id, Method.UPDATE).bucket.share,
                )
            )
            self._workspaces[team_id] = workspace
        return workspace

    def _make_room_for_workspaces(self) -> None:
        if len(self._workspaces) < self._most_workspaces:
            return
        now = self._now()
        self._workspaces = {
            team_id: each
            for team_id, each in self._workspaces.items()
            if not each.is_idle(now)
        }
        # Where all are busy they are not looked through for each one more.
        self._most_workspaces = max(_MANY_WORKSPACES, 2 * len(self._workspaces))

    def _make_room_for_channels(self) -> None:
        if len(self._channels) < self._most_channels:
            return
        now = self._now()
        self._channels = {
            place: bucket
            for place, bucket in self._channels.items()
            if not bucket.is_full(now)
        }
        self._most_channels = max(_MANY_CHANNELS, 2 * len(self._channels))
