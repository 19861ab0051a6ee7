"""The figures of simulated cases as rows of a table and as numbers."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.streaming.measures import Measured
from bench.streaming.runs import Case

Found = Sequence[tuple[Case, Measured]]

HEAD = (
    "stale s",
    "bound s",
    "x bound",
    "age p50/p95",
    "first p50/p95",
    "lag p50/p95/max",
    "calls",
    "429 %",
    "per min",
    "unfinished",
    "lost",
    "back",
)


def row(found: Measured) -> tuple[str, ...]:
    """One run or mean, as `HEAD` has it."""
    return (
        short(found.stale),
        short(found.bound),
        short(found.ratio),
        _together(found.age_p50, found.age_p95),
        _together(found.first_p50, found.first_p95),
        _together(found.lag_p50, found.lag_p95, found.lag_max),
        short(found.calls),
        f"{found.refused:.1%}".removesuffix("%"),
        short(found.per_minute),
        str(found.unfinished),
        str(found.lost),
        str(found.backwards),
    )


def numbers(case: Case, found: Measured) -> dict[str, Any]:
    """All of it for a program to read."""
    asked = asdict(case)
    del asked["seed"]
    return {**asked, **asdict(found)}


def short(value: float) -> str:
    """As many digits as are worth reading."""
    return f"{value:.2f}" if abs(value) < 9.95 else f"{value:.0f}"  # noqa: PLR2004


def _together(*values: float) -> str:
    return "/".join(map(short, values))
