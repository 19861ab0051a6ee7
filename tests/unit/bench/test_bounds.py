"""How a bench says which of its bounds are met."""

import pytest

from bench.report import Check, judged


@pytest.mark.parametrize(
    ("was", "is_least", "verdict"),
    [
        (2.0, False, "met"),
        (2.1, False, "MISSED"),
        (2.0, True, "met"),
        (1.9, True, "MISSED"),
    ],
)
def test_a_bound_is_held_or_missed(was: float, is_least: bool, verdict: str) -> None:
    check = Check(what="a figure", was=was, must=2.0, is_least=is_least)

    assert check.row[-1] == verdict
    assert check.is_met is (verdict == "met")
    assert check.row[2] == ("≥ 2" if is_least else "≤ 2")


def test_a_goal_is_less_than_a_must() -> None:
    check = Check(what="a figure", was=2.5, must=2.0, goal=3.0, is_least=True)

    assert check.row[-1] == "met, not the goal"


def test_which_bound_is_missed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [
        Check(what="first", was=1, must=2),
        Check(what="second", was=3, must=2, unit=" s"),
    ]

    is_met = judged(checks)

    told = capsys.readouterr().out.splitlines()
    assert not is_met
    assert [line.split() for line in told[-2:]] == [
        ["first", "1", "≤", "2", "met"],
        ["second", "3", "s", "≤", "2", "s", "MISSED"],
    ]
