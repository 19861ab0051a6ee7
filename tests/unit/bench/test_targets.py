"""Which figures the targets of the simulations are held against."""

from dataclasses import replace
from itertools import product

from app.sandbox.limits import Shape
from bench.staleness import targets
from bench.streaming.measures import Measured
from bench.streaming.runs import MIXED, OURS

GOOD = Measured(
    stale=1.0,
    bound=1.0,
    fluid=1.0,
    age_p50=0.1,
    age_p95=0.1,
    first_p50=0.1,
    first_p95=0.1,
    lag_p50=0.1,
    lag_p95=0.1,
    lag_max=0.1,
    calls=5.0,
    refused=0.0,
    per_minute=10.0,
    drained=60.0,
    written=60.0,
    posted=1.0,
    replies=100,
    unfinished=0,
    lost=0,
    backwards=0,
)
PEER = replace(GOOD, stale=100.0, lag_p95=10.0)


def missed(**changes: Measured) -> set[str]:
    """What is missed, where all is well but for these policies."""
    policies = {OURS: GOOD, MIXED: GOOD, "interval_1s": PEER, "final_only": GOOD}
    found = {
        (people, policy): measured
        for people, (policy, measured) in product(
            (1, 5, 20, 50), {**policies, **changes}.items()
        )
    }
    return {
        check.what.removeprefix("bucket: ")
        for check in targets(found, Shape.BUCKET)
        if not check.is_met
    }


def test_nothing_is_missed_where_all_is_well() -> None:
    assert missed() == set()


def test_each_number_of_people_has_its_own_ratio() -> None:
    found = missed(ours=replace(GOOD, stale=1.9))

    assert found == {"stale / bound, 20", "stale / bound, 50"}


def test_the_whole_text_must_come_soon_and_sooner_than_with_a_peer() -> None:
    assert missed(ours=replace(GOOD, lag_p95=4.1)) == {
        "lag p95, 20",
        "lag p95, 20 / interval_1s",
    }


def test_one_mishap_is_one_too_many_with_either_policy() -> None:
    for policy in (OURS, MIXED):
        found = missed(**{policy: replace(GOOD, lost=1, unfinished=1, backwards=1)})
        assert found == {"lost", "unfinished", "texts that went back"}


def test_refused_calls_are_counted_for_either_policy() -> None:
    for policy in (OURS, MIXED):
        assert missed(**{policy: replace(GOOD, refused=0.02)}) == {"refused calls"}


def test_streams_are_held_against_the_freshest_peer_that_streams() -> None:
    found = missed(chunks20=replace(PEER, stale=2.0))

    assert found == {"stale / best peer, 20, mixed"}


def test_a_peer_that_loses_answers_is_not_fresh() -> None:
    assert missed(chunks20=replace(PEER, stale=0.1, lost=50)) == set()
