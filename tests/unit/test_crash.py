"""Places to die at: each stands in the code, and none is armed by accident."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from app.crash import POINTS, Trap, crash

APP = Path(__file__).parents[2] / "app"


def places() -> Counter[str]:
    """Every point at which the program may die, as the code has it."""
    calls = (
        node
        for path in APP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "crash"
    )
    found: Counter[str] = Counter()
    for call in calls:
        (point,) = call.args
        assert isinstance(point, ast.Constant), "a point must stand there word for word"
        found[str(point.value)] += 1
    return found


def test_every_point_stands_in_the_code_and_no_other_does():
    assert set(places()) == set(POINTS)


def test_a_process_that_nobody_armed_survives_every_point():
    for point in POINTS:
        crash(point)


def test_a_trap_springs_once_at_its_own_point_and_at_its_own_time():
    trap = Trap.set_by("C7:3")

    assert trap
    passed = ["C7", "C3", "C7", "C7", "C7"]
    assert [trap.springs(point) for point in passed] == [
        False,
        False,
        False,
        True,
        False,
    ]


def test_no_words_set_no_trap():
    assert Trap.set_by(None) is None


@pytest.mark.parametrize("words", ["C16", "c7", "", "C7:soon"])
def test_a_point_that_is_none_is_told(words: str):
    with pytest.raises(ValueError, match=r"C|soon"):
        Trap.set_by(words)
