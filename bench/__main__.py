"""`python -m bench [name …]`: run these measurements, or all of them."""

import argparse
import json
import sys
from collections.abc import Callable
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
    results,
    staleness,
    startup,
    streams,
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
}
_SIMULATED: dict[str, Callable[[Options], Report]] = {
    "staleness": staleness.run,
    "burst": burst.run,
    "limits": limits.run,
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
        f"simulated: {', '.join(_SIMULATED)}; all, if none is named",
    )
    add_options(parser)
    asked = parser.parse_args()
    asked.names = asked.names or [*_MEASURED, *_SIMULATED]
    there = [*_MEASURED, *_SIMULATED]
    if unknown := [name for name in asked.names if name not in there]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(there)}")
    return asked


def main() -> None:
    """Exit 1 when a target is missed, 2 for what cannot be asked."""
    asked = _arguments()
    chosen, verdicts = options(asked), []
    figures: dict[str, Any] = {}
    for name in asked.names:
        if name in _MEASURED:
            verdicts.append(_MEASURED[name]())
        else:
            report = _SIMULATED[name](chosen)
            report.print()
            if chosen.are_default:
                results.put(name, report.markdown())
            figures[name] = report.json()
            verdicts.append(report.is_met)
    if chosen.json:
        _write(chosen.json, figures)
    sys.exit(0 if all(verdicts) else 1)


def _write(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
