"""What can be asked of a simulated bench on the command line."""

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from app.sandbox.limits import Shape
from bench.streaming.runs import POLICIES

T = TypeVar("T")

SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is left to the bench is None; `json` is where the figures are written."""

    people: tuple[int, ...] | None = None
    policies: tuple[str, ...] | None = None
    shapes: tuple[Shape, ...] = tuple(Shape)
    seeds: tuple[int, ...] = SEEDS
    json: Path | None = None

    @property
    def are_default(self) -> bool:
        """Whether the figures are those that everybody gets."""
        return self == Options(json=self.json)

    def words(self) -> list[str]:
        """How to ask for the same on a command line."""
        asked: dict[str, Sequence[object]] = {
            "--n": self.people or (),
            "--policy": self.policies or (),
            "--limiter": self.shapes,
            "--seed": self.seeds,
            "--json": (self.json,) if self.json else (),
        }
        return [
            word
            for name, values in asked.items()
            if values
            for word in (name, ",".join(map(str, values)))
        ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take what `options` reads."""
    group = parser.add_argument_group("for those that take options")
    group.add_argument(
        "--n", type=_numbers, metavar="1,5", help="so many people, each of the numbers"
    )
    group.add_argument(
        "--policy",
        type=_listed(str, POLICIES),
        metavar="ours,…",
        help=f"only these: {', '.join(POLICIES)}",
    )
    group.add_argument(
        "--limiter",
        type=_listed(Shape, list(Shape)),
        metavar="SHAPE",
        help="how Slack counts: bucket, window, or bucket,window (the default)",
    )
    group.add_argument(
        "--seed", type=_numbers, metavar="1,2", help="the mean of these (1,2,3,4,5)"
    )
    group.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures there, too"
    )


def options(asked: argparse.Namespace) -> Options:
    """What was asked on the command line."""
    return Options(
        people=asked.n,
        policies=asked.policy,
        shapes=asked.limiter or tuple(Shape),
        seeds=asked.seed or SEEDS,
        json=asked.json,
    )


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(word) for word in text.split(","))
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("only numbers from 1 on")
    return numbers


def _listed(
    kind: Callable[[str], T], known: Collection[str]
) -> Callable[[str], tuple[T, ...]]:
    def parse(text: str) -> tuple[T, ...]:
        words = text.split(",")
        if unknown := [word for word in words if word not in known]:
            there = ", ".join(known)
            raise argparse.ArgumentTypeError(
                f"there is no {', '.join(unknown)}; there are {there}"
            )
        return tuple(kind(word) for word in words)

    return parse
