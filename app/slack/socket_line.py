"""One line to Slack that is kept up: a new link whenever the one in use must go."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app import telemetry
from app.errors import RateLimited, SlackError
from app.slack.socket_link import DISABLED, TOO_MANY, Link

_TOLD_APART = (TOO_MANY, DISABLED, "no_handshake", "no_hello", "ratelimited")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient lines are; all in seconds.

    After a failure a line waits `retry`, then twice as long each time up to `longest`;
    `crowded` when Slack takes no more connections and another line is up. A link that
    Slack takes back within `young` is a failure too. An old link is read for at most
    `seen_out` once there is a new one. Without any link for `grace` we are not ready.
    """

    retry: float = 1.0
    longest: float = 30.0
    crowded: float = 60.0
    young: float = 5.0
    seen_out: float = 15.0
    drain: float = 5.0
    grace: float = 30.0


class Line:
    """Has one link at a time, and two for the moment in which one replaces the other.

    `open_link` makes one over a new one-time address each time it is called: one that
    was tried is spent. `changed` is called when a link has come or gone, `has_others`
    tells whether Slack can reach us otherwise.
    """

    def __init__(
        self,
        open_link: Callable[[], Awaitable[Link]],
        *,
        changed: Callable[[], None],
        has_others: Callable[[], bool],
        pace: Pace,
    ) -> None:
        self._open_link = open_link
        self._changed = changed
        self._has_others = has_others
        self._pace = pace
        self._failures = 0
        self._seeing_out: dict[asyncio.Task[None], Link] = {}
        self.link: Link | None = None
        self.refused_with = ""
        self.was_tried = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether Slack can deliver here now."""
        return self.link is not None and self.link.is_open

    @property
    def links(self) -> list[Link]:
        """The link in use, and those that are being replaced."""
        return [*self._seeing_out.values(), *([self.link] if self.link else [])]

    async def keep_up(self) -> None:
        """Connect, and return when that link must go; to be called again and again."""
        before, fresh = self.link, await self._new_link()
        self.link, self.refused_with = fresh, ""
        fresh.on_end(self._changed)
        self._changed()
        self.was_tried.set()
        if before:
            self._see_out(before)
        if await fresh.farewell() == DISABLED:
            self.refused_with = DISABLED
        if fresh.age > self._pace.young:
            self._failures = 0
        else:
            await asyncio.sleep(self._next_pause())

    async def close(self) -> None:
        """Hang up, once nothing keeps the line up any more."""
        links, tasks = self.links, [*self._seeing_out]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in links))

    async def _new_link(self) -> Link:
        while True:
            try:
                return await self._open_link()
            except SlackError as error:
                self.refused_with = error.code
                known = error.code if error.code in _TOLD_APART else "other"
                telemetry.count(f"socket_mode.refused.{known}")
                self.was_tried.set()
                await self._wait_after(error)

    async def _wait_after(self, error: SlackError) -> None:
        match error:
            case RateLimited(retry_after=seconds):
                await asyncio.sleep(seconds)
            case SlackError(code=code) if code == TOO_MANY and self.link and self.is_up:
                # Slack is about to take this one back, and that makes room.
                await self.link.ended()
            case SlackError(code=code) if code == TOO_MANY and self._has_others():
                await asyncio.sleep(self._pace.crowded)
            case _:
                await asyncio.sleep(self._next_pause())

    def _next_pause(self) -> float:
        pause = min(self._pace.retry * 2.0**self._failures, self._pace.longest)
        self._failures = min(self._failures + 1, 10)
        # Replicas that lost Slack together do not come back together.
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - chance, not secrets

    def _see_out(self, link: Link) -> None:
        """Read the old link on until Slack closes it: something may still arrive."""

        async def see_out() -> None:
            try:
                async with asyncio.timeout(self._pace.seen_out):
                    await link.ended()
            except TimeoutError:
                link.stop_taking()
            await link.drain(self._pace.drain)
            await link.close()

        task = asyncio.create_task(see_out())
        self._seeing_out[task] = link
        task.add_done_callback(self._seeing_out.pop)
