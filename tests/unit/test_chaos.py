"""What a storm measures, and the line in which it tells it."""

from bench.chaos.replicas import Death
from bench.chaos.verdict import Verdict
from bench.chaos.watch import Watch
from tests.invariants import Broken, SlackHistory, Stored


def watched(*looks: tuple[float, list[tuple[int, str | None]]]) -> Watch:
    """A watch that has seen these turns and owners, each at its moment."""
    watch = Watch("sqlite:///")
    for at, under_way in looks:
        watch.note(under_way, at)
    return watch


def test_a_takeover_takes_from_the_death_to_the_next_claim():
    watch = watched(
        (10.0, [(1, "100-a")]),
        (14.0, [(1, None)]),
        (14.5, [(1, "200-b")]),
        (15.0, []),
    )

    assert watch.takeovers([Death(pid=100, at=11.0)]) == [3.5]


def test_what_was_handed_over_before_the_death_is_no_takeover():
    watch = watched(
        (10.0, [(1, "100-a")]),
        (10.5, [(1, None)]),
        (14.5, [(1, "200-b")]),
    )

    assert watch.takeovers([Death(pid=100, at=11.0)]) == []


def test_a_turn_that_had_ended_and_is_tried_again_is_no_takeover():
    watch = watched(
        (10.0, [(1, "100-a")]),
        (10.5, []),
        (90.0, [(1, "200-b")]),
    )

    assert watch.takeovers([Death(pid=100, at=11.0)]) == []


def test_the_line_counts_what_was_lost_and_what_was_doubled():
    broken = [
        Broken(rule="I1", says="message 1 was acknowledged and is not in the inbox"),
        Broken(rule="I3", says="message 2 is lost: wanted, and nobody answers it"),
        Broken(rule="I7", says="the answer at 3 is there 2 times"),
        Broken(rule="I6", says="turn 4 has set kitchen to 23 in passes [1, 2]"),
    ]
    verdict = Verdict(
        db=Stored(tables={"inbox": [{"wanted": True, "outcome": "answered"}]}),
        slack=SlackHistory(bot_user_id="U0"),
        broken=broken,
        kills=7,
        faults=5,
        takeovers=[3.0, 4.0],
    )

    assert "2 lost, 1 doubled, 0 out of order, 1 written twice" in verdict.line
    assert "1 answered" in verdict.line
    assert "7 kills, 5 faults; 2 takeovers, p50 4.0 s" in verdict.line
