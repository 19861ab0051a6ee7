"""`python -m bench [name …]`: run these measurements, or all of them."""

import sys

from bench import first_sign, ingest, parse, queue, startup, streams, waiting

_BENCHES = {
    "ingest": ingest.run,
    "first_sign": first_sign.run,
    "queue": queue.run,
    "waiting": waiting.run,
    "startup": startup.run,
    "parse": parse.run,
    "streams": streams.run,
}


def main() -> None:
    """Exit 1 when a target is missed, 2 for a name that is none."""
    names = sys.argv[1:] or list(_BENCHES)
    if unknown := set(names) - _BENCHES.keys():
        print(f"There is no {', '.join(unknown)}; there are {', '.join(_BENCHES)}.")
        sys.exit(2)
    results = [_BENCHES[name]() for name in names]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
