"""What is kept of workspaces and channels, of however many a process has heard."""

import asyncio
import gc
from weakref import WeakSet

import pytest

from app.errors import RateLimited
from app.slack.replies.budget import RATES, Bucket
from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.workspaces import Workspaces
from tests.unit.slack.outward.board import Board, WatchedBucket, Writer, on_a_board


class Town:
    """Workspaces on a clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.buckets = WeakSet[WatchedBucket]()
        self.workspaces = Workspaces(
            lambda: self.time, self._bucket_of, lambda _lane: None
        )

    def visit(self, count: int) -> None:
        """One edit, and one look at its load, in each of so many workspaces."""
        for number in range(count):
            team_id = f"T{number}"
            self.workspaces.load(team_id)
            self.workspaces.lane(team_id, Method.UPDATE).bucket.take(self.time)
            self.time += 1

    def _bucket_of(self, _team_id: str, method: Method) -> Bucket:
        bucket = WatchedBucket(RATES[method], self.time)
        self.buckets.add(bucket)
        return bucket


def test_of_many_workspaces_those_that_are_idle_are_forgotten() -> None:
    town = Town()
    town.visit(2_000)
    gc.collect()
    assert len(town.buckets) <= 500


def test_workspaces_that_are_busy_at_once_are_kept_until_they_are_idle() -> None:
    town = Town()
    for number in range(2_000):
        lane = town.workspaces.lane(f"T{number}", Method.UPDATE)
        lane.bucket.pause(town.time + 60)
    assert len(town.buckets) == 2_000
    assert town.workspaces.lane("T1999", Method.UPDATE) is lane
    town.time += 200
    for number in range(2_000):
        town.workspaces.load(f"U{number}")
    gc.collect()
    assert list(town.buckets) == [lane.bucket]


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_workspace_where_somebody_is_answered_is_kept(is_begun: bool) -> None:
    town = Town()
    load = town.workspaces.load("TX")
    growth = Growth("TX")
    if is_begun:
        load.began(growth)
    else:
        load.wait(Message("TX", "C1", _nothing, growth=growth))
    town.visit(1_000)
    assert town.workspaces.load("TX") is load


def test_an_answer_that_nobody_may_write_any_more_keeps_no_workspace() -> None:
    town = Town()
    load = town.workspaces.load("TX")
    load.began(Growth("TX", holds_lease=lambda: False))
    town.visit(1_000)
    assert town.workspaces.load("TX") is not load


def test_channels_that_may_be_posted_to_as_at_first_are_forgotten() -> None:
    town = Town()
    busy = town.workspaces.channel("T1", "C")
    busy.pause(town.time + 60_000)
    idle = town.workspaces.channel("T1", "D")
    for number in range(4_100):
        town.workspaces.channel("T1", f"C{number}").take(town.time)
        town.time += 1
    assert town.workspaces.channel("T1", "C") is busy
    assert town.workspaces.channel("T1", "D") is not idle


def test_a_refusal_that_comes_late_still_holds_its_workspace_back() -> None:
    async def story(board: Board) -> None:
        slow = Writer(board, "slow", team="TX")
        slow.message.method = Method.UPDATE
        slow.latency, slow.faults = 18, [RateLimited(Method.UPDATE, 60)]
        slow.write("x")
        await asyncio.sleep(17)
        for number in range(600):
            board.scheduler.load(f"T{number}")
        await asyncio.sleep(2)
        other = Writer(board, "other", "C2", team="TX")
        other.message.method = Method.UPDATE
        other.write("x", Priority.DATA)
        await other.finish()
        assert board.clock.now() >= 18 + 60

    on_a_board(story)


async def _nothing() -> bool:
    return False
