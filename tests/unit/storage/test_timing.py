"""When an answer is still wanted, and when not even a word about it."""

import pytest

from app.storage.policy import Timing, timing

MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(
    ("age", "judged"),
    [
        (-HOUR, Timing.IN_TIME),
        (0.0, Timing.IN_TIME),
        (10 * MINUTE, Timing.IN_TIME),
        (10 * MINUTE + 1, Timing.LATE),
        (24 * HOUR, Timing.LATE),
        (24 * HOUR + 1, Timing.PAST),
    ],
)
def test_ten_minutes_are_late_and_a_day_is_past(age: float, judged: Timing) -> None:
    assert timing(age) is judged
