"""Tables, percentiles, and the databases to measure on."""

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import postgres_server


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The value in the middle."""
    return percentile(values, 0.5)


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table."""
    cells = [list(map(str, row)) for row in [head, *rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        padded = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        print("  " + "  ".join(padded).rstrip())


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """One new durable database of each kind: name → address."""
    with (
        tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder,
        postgres_server(durable=True) as new_database,
    ):
        yield {
            "sqlite": f"sqlite:///{Path(folder) / 'bench.db'}",
            "postgres": new_database(),
        }


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def surroundings() -> dict[str, str]:
    """The environment for children: without proxies, they stay on this machine."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
    }
