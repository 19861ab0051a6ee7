"""`python -m bench [name …]`: run these measurements, or all of them."""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from bench import (
    burst,
    e2e,
    first_sign,
    ingest,
    limits,
    parse,
    queue,
    render,
    replicas,
    results,
    scheduler,
    staleness,
    startup,
    streams,
    together,
    waiting,
)
from bench.options import Options, add_options, options
from bench.report import Report

_MEASURED: dict[str, Callable[[], bool]] = {
    "ingest": ingest.run,
    "first_sign": first_sign.run,
    "queue": queue.run,
    "waiting": waiting.run,
    "startup": startup.run,
    "parse": parse.run,
    "streams": streams.run,
    "render": render.run,
    "scheduler": scheduler.run,
}
# How fresh answers are; the others are measured when they are named.
_FRESHNESS = ("render", "scheduler", "staleness", "burst", "limits", "replicas", "e2e")
_ALL = "all"
_WITH_OPTIONS: dict[str, Callable[[Options], Report]] = {
    "staleness": staleness.run,
    "burst": burst.run,
    "limits": limits.run,
    "replicas": replicas.run,
    "e2e": e2e.run,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure, print a table each, and exit 1 when a target is missed.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=f"measured: {', '.join(_MEASURED)}; "
        f"with options: {', '.join(_WITH_OPTIONS)}; {_ALL} of them in ten minutes; "
        f"in four, if none is named: {', '.join(_FRESHNESS)}",
    )
    add_options(parser)
    asked = parser.parse_args()
    there = [*_MEASURED, *_WITH_OPTIONS]
    asked.names = there if asked.names == [_ALL] else asked.names or [*_FRESHNESS]
    if unknown := [name for name in asked.names if name not in there]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(there)}")
    return asked


def main() -> None:
    """Exit 1 when a target is missed, 2 for what cannot be asked."""
    asked = _arguments()
    chosen = options(asked)
    figures: dict[str, Any] = {}
    if len(asked.names) > 1:
        ran = together.run(asked.names, chosen)
        is_met = all(each.is_met for each in ran)
        for each in ran:
            figures |= each.figures
    else:
        is_met = _run(asked.names[0], chosen, figures)
    if chosen.json:
        _write(chosen.json, figures)
    sys.exit(0 if is_met else 1)


def _run(name: str, chosen: Options, figures: dict[str, Any]) -> bool:
    """Print the tables of one, and write them down if they are those for everybody."""
    if name in _MEASURED:
        told = StringIO()
        with redirect_stdout(told):
            is_met = _MEASURED[name]()
        print(told.getvalue(), end="")
        results.put(name, results.as_printed(name, told.getvalue()))
        return is_met
    report = _WITH_OPTIONS[name](chosen)
    report.print()
    if chosen.are_default:
        results.put(name, report.markdown())
    figures[name] = report.json()
    return report.is_met


def _write(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
