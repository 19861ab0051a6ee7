"""What the contract tests about late messages say, in few words."""

import time

from app.storage.late_notes import LateNote, LateNotes
from tests.contracts.queue_words import START, Queue


def ago(seconds: int) -> int:
    """Return when that was, as `at` counts."""
    return int(time.time()) - START - seconds


async def outcomes(queue: Queue) -> list[str | None]:
    """Return what has become of each message, in the order of their numbers."""
    rows = await queue.rows("SELECT outcome FROM inbox ORDER BY seq")
    return [outcome for (outcome,) in rows]


async def due(notes: LateNotes) -> list[LateNote]:
    """Take all that is due, each by its own process."""
    found = []
    while note := await notes.take("nobody alive"):
        found.append(note)
        await notes.later(note, "nobody alive", 1_000.0)
    return found
