"""From an event that arrives to the first sign of an answer in Slack."""

import asyncio
import itertools

from app.sandbox.server import Sandbox
from bench.report import Check, judged
from bench.sockets.town import PLACES
from bench.table import databases, percentile, show
from tests.scenarios.world import living

QUESTIONS = 40
MOST_P50 = 0.030
_BUSY = 100_000


async def _measure(url: str, *, over_http: bool) -> list[float]:
    sandbox = await Sandbox.start(token_rate=5_000, jitter=0.0)
    try:
        for method in ("assistant.threads.setStatus", "chat.postMessage", "users.info"):
            sandbox.limit(method, per_minute=_BUSY, burst=_BUSY)
        settings = {"TURNS_PER_PERSON_PER_HOUR": "0", "AUTO_MIGRATE": "true"}
        async with living(sandbox, url, over_http=over_http, more=settings):
            # In one place our own posts would wait for each other.
            places = itertools.islice(itertools.cycle(PLACES), QUESTIONS)
            return [await _first_sign(sandbox, *place) for place in places]
    finally:
        await sandbox.close()


async def _first_sign(sandbox: Sandbox, user: str, place: str) -> float:
    """Ask in a new thread; seconds from the delivery to the status that was taken."""
    thread_ts = await sandbox.say(user, place, "@threadline hello")

    def signed() -> float | None:
        for call in reversed(sandbox.calls("assistant.threads.setStatus")):
            if call.arguments.get("thread_ts") == thread_ts and call.ok:
                return call.at
        return None

    accepted = await sandbox.until(signed)
    sent = sandbox.messages(place, thread_ts)[0]
    await sandbox.until(
        lambda: any(
            message.user_id == sandbox.bot_user_id
            for message in sandbox.messages(place, thread_ts)
        )
    )
    return accepted - float(sent.ts)


def run() -> bool:
    """Print the table; false when the target is missed."""
    rows, checks = [], []
    for over_http in (False, True):
        with databases() as addresses:
            for kind, url in addresses.items():
                times = asyncio.run(_measure(url, over_http=over_http))
                p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
                way = "http" if over_http else "socket mode"
                checks.append(_check(f"{kind}, {way}: p50", p50))
                rows.append((kind, way, f"{p50 * 1000:.1f}", f"{p99 * 1000:.1f}"))
    show(
        f"first_sign: event → status accepted (must: p50 ≤ {MOST_P50 * 1000:.0f} ms)",
        ("database", "delivery", "p50 ms", "p99 ms"),
        rows,
    )
    return judged(checks)


def _check(what: str, p50: float) -> Check:
    return Check(what=what, was=p50 * 1000, must=MOST_P50 * 1000, unit=" ms")
