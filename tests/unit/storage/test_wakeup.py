"""The hint within a process, and the words of the hint between two."""

import asyncio

import pytest

from app.storage.wakeup import Changed, Hint, Joined, Ready, Wakeup, hint_of


async def test_a_wake_up_before_the_wait_ends_it_at_once() -> None:
    wakeup = Wakeup()
    wakeup.wake()
    wakeup.wake()

    await asyncio.wait_for(wakeup.wait(60.0), timeout=1.0)


async def test_many_wake_ups_end_one_wait_only() -> None:
    wakeup = Wakeup()
    wakeup.wake()
    wakeup.wake()
    await wakeup.wait(60.0)

    waiting = asyncio.create_task(wakeup.wait(60.0))
    done, _ = await asyncio.wait([waiting], timeout=0.0)

    assert not done
    wakeup.wake()
    await asyncio.wait_for(waiting, timeout=1.0)


async def test_a_wait_ends_by_itself() -> None:
    await asyncio.wait_for(Wakeup().wait(0.0), timeout=1.0)


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        ("ready", Ready()),
        ("changed 7", Changed(7)),
        ("joined 7", Joined(7)),
        ("changed 9" + "9" * 18, None),
        ("changed \u0667", None),
        ("changed 7\n", None),
        ("ready ", None),
        ("", None),
    ],
)
def test_a_payload_says_what_we_would_say_or_nothing(
    payload: str, hint: Hint | None
) -> None:
    assert hint_of(payload) == hint
