"""One process of `bench queue`: `python -m bench.queue_process module role url …`."""

import asyncio
import importlib
import sys

from app.loop import new_event_loop
from app.telemetry import configure_logging

if __name__ == "__main__":
    configure_logging()
    module, role, url, *numbers = sys.argv[1:]
    work = getattr(importlib.import_module(f"bench.{module}"), role)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(work(url, *map(float, numbers)))
