"""Which Slack message is sent when: budgets, priorities, one call in flight for each.

Whoever writes a message marks it as changed and goes on; the scheduler calls its `send`
when its turn has come, and only then is the text cut and rendered. So a message that
changed a hundred times meanwhile costs one call, and an older text never follows a
newer one.

A message waits in one of three places: for its time (a heap by moment), for a token of
its method's budget (a heap by priority for each team and method), or in flight.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count

from app.errors import DatabaseUnavailable, RateLimited, SlackUnavailable
from app.slack.replies.budget import RATES, Bucket
from app.slack.replies.load import Load
from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.workspaces import BucketOf, Lane, Workspaces

# After so long a mere status counts as text, and is the oldest of all.
_NEGLECT = 30.0
# Timers may fire a hair early, and would then be set again for no time at all.
_TICK = 0.001
# A process that ends waits so long for Slack, which may never answer.
_IN_FLIGHT = 1.0


class EditScheduler:
    """Sends what was marked as changed, as soon as the budgets allow.

    `now` is a monotonic clock in seconds, `sleep_until` waits for a moment on it.
    `bucket_of` gives the budget of a workspace for one method, asked again only after a
    time without calls; left out, this process has all that Slack documents.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        sleep_until: Callable[[float], Awaitable[None]],
        bucket_of: BucketOf | None = None,
    ) -> None:
        self._now = now
        self._sleep_until = sleep_until
        self._places = Workspaces(now, bucket_of or self._local_bucket, self._refill)
        self._changed: deque[Message] = deque()
        self._refilled: list[Lane] = []
        self._timers: list[tuple[float, int, int, Message | Lane]] = []
        self._order = count()
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Future[bool]] = set()

    def mark_dirty(
        self, message: Message, priority: Priority, *, not_before: float = 0.0
    ) -> None:
        """Have `message` sent, not before the given moment; never waits."""
        if message.is_closed:
            return
        if message.mark(priority, not_before, self._now()):
            self._enqueue(message)

    def put_off(self, message: Message, not_before: float) -> None:
        """Show the first words later than was thought, if they are not on their way."""
        if message.put_off(not_before):
            self._enqueue(message)

    def load(self, team_id: str) -> Load:
        """How busy a workspace is; not to be kept, as it may be forgotten."""
        return self._places.load(team_id)

    def began(self, growth: Growth) -> None:
        """A reply has got its first words."""
        self.load(growth.team_id).began(growth)
        self._expect_edits(growth.team_id)

    def painted(self, growth: Growth) -> None:
        """A reply is in view: a part of the budget is kept for its end."""
        self.load(growth.team_id).paint(growth, self._now())

    def ended(self, growth: Growth) -> None:
        """A reply grows no more; another may take its place."""
        load, now = self.load(growth.team_id), self._now()
        load.ended(growth, now)
        self._expect_edits(growth.team_id)
        for message in load.admit(now):
            self._enqueue(message)

    def move(self, message: Message, method: Method) -> None:
        """Send `message` with another method from now on."""
        if message.method is not method:
            message.method = method
            # What ends a stream may follow its last piece at once.
            message.gap = 0.0 if method is Method.STOP else message.gap
            if message.priority is not None and not message.in_flight:
                self._enqueue(message)

    def wait_for(self, team_id: str, method: Method, count: float = 1.0) -> float:
        """The seconds until `count` calls of a method could be made."""
        bucket = self._places.lane(team_id, method).bucket
        now = self._now()
        return bucket.ready_at(now, count) - now

    def close_message(
        self, message: Message, error: BaseException | None = None
    ) -> None:
        """Send nothing more for `message`; a call in flight lands unheard."""
        if message.is_closed:
            return
        message.close(error)
        message.tell_settled()

    async def quiet(self) -> None:
        """Wait for the calls in flight, but no more than a second."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=_IN_FLIGHT)

    async def close(self) -> None:
        """Send nothing more at all; calls in flight have a second to land."""
        if self._loop:
            self._loop.cancel()
            await asyncio.wait((self._loop,))
        await self.quiet()
        late = list(self._calls)
        for call in late:
            call.cancel()
        if late:
            await asyncio.wait(late, timeout=_IN_FLIGHT)

    def _enqueue(self, message: Message) -> None:
        self._changed.append(message)
        self._wake.set()
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            moment = self._dispatch()
            if moment is None:
                await self._wake.wait()
                continue
            alarm = asyncio.ensure_future(self._sleep_until(moment + _TICK))
            alarm.add_done_callback(self._on_time)
            try:
                await self._wake.wait()
            finally:
                alarm.cancel()

    def _on_time(self, alarm: asyncio.Future[None]) -> None:
        if not alarm.cancelled():
            self._wake.set()

    def _dispatch(self) -> float | None:
        """Send all that may go now; return when there may be more to do."""
        now = self._now()
        lanes = {id(lane): lane for lane in self._refilled}
        self._refilled.clear()
        while self._changed:
            self._place(self._changed.popleft(), now, lanes)
        while self._timers and self._timers[0][0] <= now:
            _, _, stamp, due = heapq.heappop(self._timers)
            if isinstance(due, Lane):
                due.wakes_at = float("inf")
                lanes[id(due)] = due
            elif due.stamp == stamp:
                self._place(due, now, lanes)
        for lane in lanes.values():
            self._serve(lane, now)
        return self._timers[0][0] if self._timers else None

    def _place(self, message: Message, now: float, lanes: dict[int, Lane]) -> None:
        """Queue `message` for its time, or for a token if its time has come."""
        if message.priority is None or message.is_closed:
            return
        message.stamp += 1
        at = message.due_at()
        if message.method is Method.POST:
            at = max(at, self._channel(message).ready_at(now))
        if at > now:
            self._at(at, message.stamp, message)
            return
        if self._needs_place(message):
            load = self.load(message.team_id)
            load.wait(message)
            for admitted in load.admit(now):
                self._place(admitted, now, lanes)
            return
        lane = self._places.lane(message.team_id, message.method)
        priority, neglected = message.priority, message.unseen_since + _NEGLECT
        if priority is Priority.STATUS and neglected <= now:
            priority = Priority.TEXT
        elif priority is Priority.STATUS:
            self._at(neglected, message.stamp, message)
        entry = (priority, message.unseen_since, next(self._order))
        heapq.heappush(lane.ready, (*entry, message.stamp, message))
        lanes[id(lane)] = lane

    def _needs_place(self, message: Message) -> bool:
        """Whether the first words of a reply have to wait until it may be painted."""
        growth = message.growth
        if growth is None or message.method is not Method.POST:
            return False
        is_first = message.priority is Priority.FIRST_PAINT
        return is_first and not self.load(message.team_id).is_painted(growth)

    def _serve(self, lane: Lane, now: float) -> None:
        while lane.ready:
            priority, _, _, stamp, message = lane.ready[0]
            if message.stamp != stamp:
                heapq.heappop(lane.ready)
                continue
            at = lane.bucket.ready_at(now, lane.need(priority))
            if at > now:
                if at < lane.wakes_at:
                    lane.wakes_at = at
                    self._at(at, 0, lane)
                break
            heapq.heappop(lane.ready)
            if self._takes_place(message, now):
                lane.bucket.take(now)
                self._launch(message, lane)
        lane.bucket.expect(now, lane.crowd())

    def _takes_place(self, message: Message, now: float) -> bool:
        """Use the channel's own budget for a post, or wait until it is there."""
        if message.method is not Method.POST:
            return True
        channel = self._channel(message)
        free_at = channel.ready_at(now)
        if free_at > now:
            self._at(free_at, message.stamp, message)
            return False
        message.follows_post = not channel.is_full(now)
        channel.take(now)
        return True

    def _launch(self, message: Message, lane: Lane) -> None:
        message.start()
        lane.in_flight += 1
        method = message.method
        call = asyncio.ensure_future(message.send())
        self._calls.add(call)
        call.add_done_callback(lambda done: self._landed(message, lane, method, done))

    def _landed(
        self, message: Message, lane: Lane, method: Method, call: asyncio.Future[bool]
    ) -> None:
        self._calls.discard(call)
        message.in_flight = False
        lane.in_flight -= 1
        now = self._now()
        error = asyncio.CancelledError() if call.cancelled() else call.exception()
        match error:
            case None if call.result():
                lane.bucket.succeeded(now)
                message.sent(now)
            case None:
                lane.bucket.give_back()
                if method is Method.POST:
                    self._channel(message).give_back()
            case RateLimited():
                self._refused(message, lane, method, error)
            case SlackUnavailable() | DatabaseUnavailable():
                message.failed(error, now)
            case _:
                message.close(error)
        if message.is_settled:
            message.tell_settled()
        else:
            self._enqueue(message)

    def _refused(
        self, message: Message, lane: Lane, method: Method, error: RateLimited
    ) -> None:
        """Wait as Slack says; who has to, it does not say."""
        now, until = self._now(), self._now() + error.retry_after
        channel_id, blamed_until = lane.blamed
        if error.method != method:
            lane.bucket.give_back()
            message.refused_for_now(now, error.retry_after)
            return
        message.refused_for_now(now)
        is_blamed = now >= blamed_until or channel_id == message.channel_id
        if method is Method.POST and message.follows_post and is_blamed:
            lane.blamed = message.channel_id, until
            self._channel(message).pause(until)
        else:
            lane.bucket.refused(now, error.retry_after)

    def _channel(self, message: Message) -> Bucket:
        return self._places.channel(message.team_id, message.channel_id)

    def _at(self, moment: float, stamp: int, due: Message | Lane) -> None:
        heapq.heappush(self._timers, (moment, next(self._order), stamp, due))

    def rate(self, team_id: str, method: Method) -> float:
        """How many calls a second of a method this process may count on."""
        return self._places.lane(team_id, method).bucket.per_second

    def _expect_edits(self, team_id: str) -> None:
        lane = self._places.lane(team_id, Method.UPDATE)
        lane.bucket.expect(self._now(), lane.crowd())

    def _local_bucket(self, _team_id: str, method: Method) -> Bucket:
        return Bucket(RATES[method], self._now())

    def _refill(self, lane: Lane) -> None:
        if lane.ready:
            self._refilled.append(lane)
            self._wake.set()
