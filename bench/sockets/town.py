"""People who ask, and what they see, told by the sandbox's journal."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app.sandbox.limits import Shape
from app.sandbox.server import Sandbox
from bench.sockets.model import tokens_of
from bench.streaming.slack import FASTEST, POST, SLOWEST, UPDATE
from bench.streaming.stream import tokens_in

# Who may write where; five people share a place at most.
PLACES = (
    ("chloe", "#general"),
    ("ben", "home-team"),
    ("ana", "C0GROUPDM1"),
    ("ana", "dm:ana"),
    ("ben", "dm:ben"),
    ("chloe", "dm:chloe"),
)
# All questions of a burst come within so many seconds, and so long after an answer
# comes the next question of who goes on asking.
_BURST = 2.0
_THINK = (2.0, 5.0)
_SLOWED = (POST, UPDATE, "assistant.threads.setStatus", "users.info")
_MANY_CALLS = 20_000


@dataclass(slots=True, kw_only=True)
class Asked:
    """One question and what is in view of its answer: tokens, since when."""

    number: int
    seen: list[tuple[float, int]] = field(default_factory=list)
    whole: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, text: str, at: float) -> None:
        """From now on this is in view."""
        tokens = tokens_in(text)
        if tokens != (self.seen[-1][1] if self.seen else 0):
            self.seen.append((at, tokens))
        if tokens == tokens_of(self.number):
            self.whole.set()


class Town:
    """The people of one workspace; `seed` is their character."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self._sandbox = sandbox
        self._seed = seed
        self._by_thread: dict[str, Asked] = {}
        self._by_message: dict[str, Asked] = {}
        self.asked: list[Asked] = []
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    async def ask_at_once(self, people: int, patience: float) -> None:
        """Have each ask once, and wait for the answers."""
        await self._all([self._asks_once(each) for each in range(people)], patience)

    async def keep_asking(self, people: int, seconds: float, patience: float) -> None:
        """Have each ask again some time after an answer, for so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        persons = [self._asks(each, until) for each in range(people)]
        await self._all(persons, seconds + patience)

    async def _all(self, persons: list[Any], patience: float) -> None:
        tasks = [asyncio.ensure_future(each) for each in persons]
        done, late = await asyncio.wait(tasks, timeout=patience)
        for each in late:
            each.cancel()
        for each in done:
            each.result()

    async def _asks_once(self, person: int) -> None:
        random = Random(f"{self._seed} {person}")  # noqa: S311 - keeps no secret
        await asyncio.sleep(random.uniform(0, _BURST))
        await (await self._ask(person)).whole.wait()

    async def _asks(self, person: int, until: float) -> None:
        random = Random(f"{self._seed} {person}")  # noqa: S311 - keeps no secret
        await asyncio.sleep(random.uniform(0, _BURST))
        while asyncio.get_running_loop().time() < until:
            await (await self._ask(person)).whole.wait()
            await asyncio.sleep(random.uniform(*_THINK))

    async def _ask(self, person: int) -> Asked:
        user, place = PLACES[person % len(PLACES)]
        asked = Asked(number=len(self.asked))
        self.asked.append(asked)
        text = f"@threadline question {asked.number}"
        self._by_thread[await self._sandbox.say(user, place, text)] = asked
        return asked

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at all that comes into view."""
        with self._sandbox.core.feed.watch() as happenings:
            watching = asyncio.ensure_future(self._watch(happenings))
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.wait((watching,))
                if not watching.cancelled():
                    watching.result()

    async def _watch(self, happenings: AsyncIterator[Mapping[str, Any]]) -> None:
        async for each in happenings:
            if each["kind"] == "call" and each["call"]["method"] in (POST, UPDATE):
                self._called(each["call"])

    def _called(self, call: Mapping[str, Any]) -> None:
        method, arguments = call["method"], call["arguments"]
        self.calls[method] += 1
        if not call["response"].get("ok"):
            self.refused[method] += 1
            return
        if method == POST:
            asked = self._by_thread[arguments["thread_ts"]]
            self._by_message[call["response"]["ts"]] = asked
        else:
            asked = self._by_message[arguments["ts"]]
        if text := _text_in(arguments["blocks"]):
            asked.show(text, call["at"])


def _text_in(blocks: Any) -> str:  # noqa: ANN401 - as the program sent it
    listed = json.loads(blocks) if isinstance(blocks, str) else blocks
    return "".join(each["text"] for each in listed if each["type"] == "markdown")


async def slack(shape: Shape, seed: int) -> Sandbox:
    """Start a sandbox with Slack's limits in this shape, as slow as Slack is."""
    sandbox = await Sandbox.start(seed=seed)
    sandbox.limit("*", shape=shape)
    random = Random(f"slack {seed}")  # noqa: S311 - keeps no secret
    for method in _SLOWED:
        for _ in range(_MANY_CALLS):
            seconds = random.uniform(FASTEST, SLOWEST)
            sandbox.fault(method, "delay", value=seconds)
    return sandbox
