"""The sandbox as a process of its own, and the people who live in it.

`python -m bench.chaos.town --seed 1 --pace 1` prints one line of JSON with its
addresses, then takes a word a line: `calm` (everybody falls silent, nothing goes wrong
any more), `rest` (answers how many events are on their way), `history PATH` (writes all
that happened), and ends with its input.
"""

import argparse
import asyncio
import contextlib
import json
import pickle
import sys
from collections import deque
from pathlib import Path

from app.loop import new_event_loop
from app.sandbox.server import Sandbox
from bench.chaos.people import People
from tests.invariants.reading import model_history, slack_history

_REMEMBERED = 200_000
# Slack's retries after 1 and 5 minutes come after 3 and 15 seconds.
_RETRY_SCALE = 0.05
_REORDERED_WITHIN = 0.3
# What processes that begin anew all the time need; else 10 a minute.
_SOCKETS_A_MINUTE = 1_200
# Every replica believes the whole of Slack's budget to be its own.
_EDITS_A_MINUTE = 300


async def _live(seed: int, pace: float) -> None:
    sandbox = await Sandbox.start(
        token_rate=150,
        seed=seed,
        retry_scale=_RETRY_SCALE,
        jitter=_REORDERED_WITHIN,
        journal_kept=_REMEMBERED,
    )
    sandbox.model.requests = deque(maxlen=_REMEMBERED)
    sandbox.limit("apps.connections.open", per_minute=_SOCKETS_A_MINUTE)
    sandbox.limit("chat.update", per_minute=_EDITS_A_MINUTE)
    people = People(sandbox, seed=seed, pace=pace)
    print(json.dumps(_addresses(sandbox)), flush=True)
    living = asyncio.create_task(people.live())
    try:
        await _obey(sandbox, people, living)
    finally:
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living
        await sandbox.close()


async def _obey(sandbox: Sandbox, people: People, living: asyncio.Task[None]) -> None:
    loop = asyncio.get_running_loop()
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), sys.stdin.buffer
    )
    while line := (await words.readline()).decode().split():
        match line:
            case ["calm"]:
                living.cancel()
                sandbox.clear_faults()
                sandbox.model.clear_faults()
                print(json.dumps(people.counts), flush=True)
            case ["rest"]:
                print(json.dumps(sandbox.core.dispatcher.pending), flush=True)
            case ["history", path]:
                _write(sandbox, Path(path))
                print(json.dumps(path), flush=True)


def _write(sandbox: Sandbox, path: Path) -> None:
    path.write_bytes(pickle.dumps((slack_history(sandbox), model_history(sandbox))))


def _addresses(sandbox: Sandbox) -> dict[str, str]:
    return {
        "host": sandbox.core.base_url.removeprefix("http://"),
        "bot_token": sandbox.bot_token,
        "app_token": sandbox.app_token,
    }


def main() -> None:
    """Live until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--pace", type=float, required=True)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_live(given.seed, given.pace))


if __name__ == "__main__":
    main()
