"""The small parts: faults, the feed, the guard, views, typing."""

import asyncio

import pytest

from app.sandbox.faults import FaultKind, Faults
from app.sandbox.feed import Feed
from app.sandbox.guard import is_loopback
from app.sandbox.refusal import Refused
from app.sandbox.typing_in import typed
from app.sandbox.views import Views
from app.sandbox.workspace import Workspace


def test_faults_come_in_the_order_and_number_in_which_they_were_planned() -> None:
    faults = Faults()
    faults.plan("chat.update", "error", 2, "fatal_error")
    faults.plan("chat.update", "drop_after", 1, None)
    due = [faults.take("chat.update") for _ in range(4)]
    kinds = [fault.kind if fault else None for fault in due]
    assert kinds == [FaultKind.ERROR, FaultKind.ERROR, FaultKind.DROP_AFTER, None]


def test_a_fault_without_a_number_stays_until_it_is_cleared() -> None:
    faults = Faults()
    faults.plan("event:*", "never", None, None)
    assert all(faults.take("event:message", "event:*") for _ in range(100))
    faults.clear()
    assert faults.take("event:message", "event:*") is None


def test_a_fault_planned_no_times_never_happens() -> None:
    faults = Faults()
    faults.plan("chat.update", "error", 0, None)
    assert faults.take("chat.update") is None


async def test_what_is_waited_for_is_noticed_when_it_happens() -> None:
    feed, seen = Feed(), list[int]()
    waiting = asyncio.create_task(feed.until(lambda: seen or None, timeout=5))
    await asyncio.sleep(0)
    seen.append(1)
    feed.publish("workspace", dict)
    for _ in range(10):
        await asyncio.sleep(0)
    assert waiting.done()
    assert await waiting == [1]


async def test_nobody_is_asked_what_happened_while_nobody_watches() -> None:
    asked = list[int]()

    def tell() -> dict[str, int]:
        asked.append(1)
        return {}

    feed = Feed()
    feed.publish("workspace", tell)
    assert asked == []
    with feed.watch():
        feed.publish("workspace", tell)
    assert asked == [1]


async def test_a_watcher_who_falls_far_behind_is_let_go() -> None:
    feed, numbers = Feed(), iter(range(3000))
    with feed.watch() as happenings:
        for _ in range(3000):
            feed.publish("workspace", lambda: {"number": next(numbers)})
        heard = [happening["number"] async for happening in happenings]
    assert heard == list(range(2000))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "::1", "127.9.9.9"]
)
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "evil.example", "localhost.evil.example", "10.0.0.1"],  # noqa: S104 - not bound
)
def test_no_other_machine_is_taken_for_this_one(host: str) -> None:
    assert not is_loopback(host)


def test_a_trigger_is_good_for_one_view_and_three_seconds() -> None:
    now = [100.0]
    views = Views(lambda: now[0])
    trigger = views.new_trigger("U1")
    assert views.exchange(trigger) == "U1"
    with pytest.raises(Refused, match="exchanged_trigger_id"):
        views.exchange(trigger)
    late = views.new_trigger("U1")
    now[0] += 3.1
    with pytest.raises(Refused, match="expired_trigger_id"):
        views.exchange(late)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("@threadline hi", "<@U0THREAD01> hi"),
        ("hi @Threadline.", "hi <@U0THREAD01>."),
        ("mail a@ana.example", "mail a@ana.example"),
        ("@nobody", "@nobody"),
        ("@channel", "<!channel>"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("<@U0ANA00001>", "<@U0ANA00001>"),
        ("<@U0EVE00001>", "&lt;@U0EVE00001&gt;"),
        ("1 < 2 && 3", "1 &lt; 2 &amp;&amp; 3"),
        ("see https://a.example/b?c=1&d=2.", "see <https://a.example/b?c=1&amp;d=2>."),
        ("https://a.example/@ana#general", "<https://a.example/@ana#general>"),
        ("#general and #nowhere", "<#C0GENERAL1|general> and #nowhere"),
    ],
)
def test_what_is_typed_is_kept_as_slack_keeps_it(text: str, kept: str) -> None:
    assert typed(text, Workspace(lambda: 1_800_000_000.0, None)) == kept
