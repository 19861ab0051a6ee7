"""The rate limits on a clock that stands until it is moved."""

import pytest

from app.sandbox.limits import PER_CHANNEL, RULES, Limiter

TEAM = "T1"


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def admitted(limiter: Limiter, method: str, calls: int, place: str = "") -> int:
    return sum(limiter.take(TEAM, method, place) == 0 for _ in range(calls))


def test_a_bucket_admits_its_burst_and_then_says_when_the_next_call_is_free() -> None:
    limiter = Limiter(Clock())
    assert admitted(limiter, "chat.update", 50) == 10
    assert limiter.take(TEAM, "chat.update") == 2


def test_a_bucket_refills_at_its_rate_and_never_above_its_burst() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    admitted(limiter, "chat.update", 10)
    clock.now += 6.0
    assert admitted(limiter, "chat.update", 50) == 5
    clock.now += 3600
    assert admitted(limiter, "chat.update", 50) == 10


def test_waiting_for_as_long_as_it_says_is_enough_in_either_shape() -> None:
    for shape in ("bucket", "window"):
        clock = Clock(17.3)
        limiter = Limiter(clock)
        limiter.limit("chat.update", per_minute=7, burst=1, shape=shape)
        for _ in range(30):
            wait = limiter.take(TEAM, "chat.update")
            clock.now += wait
            assert wait == 0 or limiter.take(TEAM, "chat.update") == 0


def test_no_minute_admits_more_than_burst_and_rate() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    count = 0
    for _ in range(6000):
        count += admitted(limiter, "chat.update", 1)
        clock.now += 0.01
    assert count == 10 + 50 - 1


def test_a_refused_call_uses_nothing_up() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    admitted(limiter, "chat.update", 1000)
    clock.now += 1.2
    assert admitted(limiter, "chat.update", 1) == 1


def test_a_window_admits_the_whole_minute_at_once_and_nothing_till_the_next() -> None:
    clock = Clock(125.0)
    limiter = Limiter(clock)
    limiter.limit("chat.update", per_minute=50, shape="window")
    assert admitted(limiter, "chat.update", 80) == 50
    assert limiter.take(TEAM, "chat.update") == 55
    clock.now = 179.9
    assert admitted(limiter, "chat.update", 1) == 0
    clock.now = 180.0
    assert admitted(limiter, "chat.update", 80) == 50


def test_methods_and_workspaces_do_not_share_a_budget() -> None:
    limiter = Limiter(Clock())
    admitted(limiter, "chat.update", 50)
    assert limiter.take(TEAM, "chat.delete") == 0
    assert limiter.take("T2", "chat.update") == 0


def test_posts_are_limited_to_one_a_second_in_each_channel() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    assert admitted(limiter, PER_CHANNEL, 10, "C1") == 3
    assert admitted(limiter, PER_CHANNEL, 10, "C2") == 3
    clock.now += 1.0
    assert admitted(limiter, PER_CHANNEL, 10, "C1") == 1


def test_switching_posts_off_switches_off_their_channels_too() -> None:
    limiter = Limiter(Clock())
    limiter.limit("chat.postMessage", enabled=False)
    assert admitted(limiter, PER_CHANNEL, 100, "C1") == 100
    assert admitted(limiter, "chat.postMessage", 1000) == 1000
    assert limiter.left(TEAM, "chat.postMessage") is None


def test_everything_can_be_switched_off_at_once() -> None:
    limiter = Limiter(Clock())
    limiter.limit("*", enabled=False)
    assert all(admitted(limiter, method, 999) == 999 for method in RULES)


def test_what_is_left_is_told_without_using_it() -> None:
    limiter = Limiter(Clock())
    limiter.take(TEAM, "chat.update")
    assert limiter.left(TEAM, "chat.update") == 9
    assert limiter.left(TEAM, "chat.update") == 9


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    clock = Clock(100.0)
    limiter = Limiter(clock)
    admitted(limiter, "chat.update", 10)
    clock.now = 50.0
    assert limiter.take(TEAM, "chat.update") > 0


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="triangle"):
        Limiter(Clock()).limit("chat.update", shape="triangle")
