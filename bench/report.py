"""What a bench has found: a table, and whether that is good enough."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.table import show


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A figure that must not exceed `must`, and had better stay within `goal`.

    With `is_least` it must not fall below.
    """

    what: str
    was: float
    must: float
    goal: float | None = None
    unit: str = ""
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is as it must be."""
        return self._is_within(self.must)

    @property
    def row(self) -> tuple[str, ...]:
        """It in words."""
        if not self.is_met:
            verdict = "MISSED"
        elif self.goal is None or self._is_within(self.goal):
            verdict = "met"
        else:
            verdict = "met, not the goal"
        sign = "≥" if self.is_least else "≤"
        goal = "" if self.goal is None else f"{sign} {self._told(self.goal)}"
        was, must = self._told(self.was), f"{sign} {self._told(self.must)}"
        return self.what, was, must, goal, verdict

    def _is_within(self, bound: float) -> bool:
        return self.was >= bound if self.is_least else self.was <= bound

    def _told(self, value: float) -> str:
        return f"{value:.3g}{self.unit}" if value < 1_000 else f"{value:.0f}{self.unit}"  # noqa: PLR2004


def judged(checks: Sequence[Check]) -> bool:
    """Show what is met and what is MISSED; false if anything is."""
    show("targets", _CHECK_HEAD, [check.row for check in checks])
    return all(check.is_met for check in checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One table of figures; `figures` holds them as numbers, row by row."""

    name: str
    title: str
    notes: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    checks: Sequence[Check]
    figures: Sequence[Mapping[str, Any]]

    @property
    def is_met(self) -> bool:
        """Whether every figure is as it must be."""
        return all(check.is_met for check in self.checks)

    def print(self) -> None:
        """Show the table, and each check below it."""
        show(f"{self.name}: {self.title}", self.head, self.rows)
        judged(self.checks)

    def markdown(self) -> str:
        """The same as a section of a document."""
        return "\n\n".join(
            (
                f"## {self.name}: {self.title}",
                self.notes,
                _table(self.head, self.rows),
                _table(_CHECK_HEAD, [check.row for check in self.checks]),
            )
        )

    def json(self) -> dict[str, Any]:
        """The same in numbers."""
        checks = [{**asdict(each), "met": each.is_met} for each in self.checks]
        return {"figures": list(self.figures), "targets": checks}


_CHECK_HEAD = ("target", "was", "must", "goal", "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
