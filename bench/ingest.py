"""Signed events per second and the time to the ack, against a bare server."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass

import aiohttp

from bench.children import child
from bench.ingest_servers import SECRET
from bench.report import Check, judged
from bench.table import databases, median, percentile, show

EVENTS = 1_000
AT_ONCE = 16
ROUNDS = 3
STEADY_RATE = 100
STEADY_SECONDS = 3
LEAST_RATIO = 0.5
MOST_P99 = 0.100

# Ahead of every clock, so that nothing is late.
_FIRST = 4_000_000_000
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Signed:
    """One event as Slack would send it."""

    body: bytes
    headers: dict[str, str]


def _signed() -> Signed:
    number = next(_numbers)
    ts = f"{_FIRST + number}.000100"
    event = {
        "type": "app_mention",
        "user": f"U{number % 500:05}",
        "team": "T0BENCH",
        "text": f"<@U0BOT> set the kitchen to {18 + number % 8}, please",
        "ts": ts,
        "channel": f"C{number % 50:05}",
        "event_ts": ts,
    }
    body = json.dumps(
        {
            "token": "unused",
            "team_id": "T0BENCH",
            "api_app_id": "A0BENCH",
            "type": "event_callback",
            "event_id": f"Ev{number:08}",
            "event_time": _FIRST + number,
            "event": event,
            "authorizations": [{"team_id": "T0BENCH", "user_id": "U0BOT"}],
        }
    ).encode()
    stamp = str(int(time.time()))
    signed = b"v0:" + stamp.encode() + b":" + body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
        "X-Bench-Number": str(number),
    }
    return Signed(body, headers)


async def _send(session: aiohttp.ClientSession, url: str, signed: Signed) -> float:
    began = time.perf_counter()
    async with session.post(url, data=signed.body, headers=signed.headers) as answer:
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
            raise RuntimeError(f"not acknowledged: {answer.status}")
    return time.perf_counter() - began


async def _throughput(session: aiohttp.ClientSession, url: str) -> float:
    """Events per second with a fixed number of requests under way."""
    events = iter([_signed() for _ in range(EVENTS)])

    async def sender() -> None:
        for signed in events:
            await _send(session, url, signed)

    began = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return EVENTS / (time.perf_counter() - began)


async def _steady(session: aiohttp.ClientSession, url: str) -> list[float]:
    """Times to the ack at a steady rate, whatever the server does meanwhile."""
    began = time.perf_counter()
    sending = []
    for number in range(STEADY_RATE * STEADY_SECONDS):
        await asyncio.sleep(began + number / STEADY_RATE - time.perf_counter())
        sending.append(asyncio.create_task(_send(session, url, _signed())))
    return list(await asyncio.gather(*sending))


@dataclass
class _Measured:
    rates: list[float]
    acks: list[float]


async def _measure(url: str) -> dict[str, _Measured]:
    measured = {name: _Measured([], []) for name in ("bare", "ours")}
    async with (
        child("bench.ingest_servers", "bare", url) as bare,
        child("bench.ingest_servers", "ours", url) as ours,
        aiohttp.ClientSession(trust_env=False) as session,
    ):
        addresses = {"bare": f"{bare}/slack/events", "ours": f"{ours}/slack/events"}
        for address in addresses.values():
            await _throughput(session, address)
        for _ in range(ROUNDS):
            for name, address in addresses.items():
                measured[name].rates.append(await _throughput(session, address))
        for name, address in addresses.items():
            measured[name].acks += await _steady(session, address)
    return measured


def run() -> bool:
    """Print the table; false when a target is missed."""
    rows, checks = [], []
    with databases() as addresses:
        for kind, url in addresses.items():
            measured = asyncio.run(_measure(url))
            ratio = median(measured["ours"].rates) / median(measured["bare"].rates)
            p99 = percentile(measured["ours"].acks, 0.99)
            checks += _checks(kind, ratio, p99)
            for name, each in measured.items():
                acks = [percentile(each.acks, share) * 1000 for share in (0.5, 0.99)]
                rows.append(
                    (
                        kind,
                        name,
                        f"{median(each.rates):.0f}",
                        f"{ratio:.2f}" if name == "ours" else "1",
                        *(f"{ack:.1f}" for ack in acks),
                    )
                )
    show(
        f"ingest: {AT_ONCE} requests under way; acks at {STEADY_RATE} events/s "
        f"(must: ratio ≥ {LEAST_RATIO}, p99 ≤ {MOST_P99 * 1000:.0f} ms)",
        ("database", "server", "events/s", "ratio", "ack p50 ms", "ack p99 ms"),
        rows,
    )
    return judged(checks)


def _checks(kind: str, ratio: float, p99: float) -> list[Check]:
    of_bare = Check(
        what=f"{kind}: of the bare server's events",
        was=ratio,
        must=LEAST_RATIO,
        is_least=True,
    )
    acks = Check(
        what=f"{kind}: ack p99", was=p99 * 1000, must=MOST_P99 * 1000, unit=" ms"
    )
    return [of_bare, acks]
