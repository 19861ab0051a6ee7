"""What must hold of every world that came to rest, whatever has happened in it.

`check_invariants` reads three histories: the bot's database, the sandbox's Slack and
the sandbox's model. None of it uses the program's own code: a bug there must not hide
itself here.
"""

from collections.abc import Callable, Sequence

from tests.invariants import leaks, messages, replies, tools
from tests.invariants.histories import (
    Broken,
    ModelHistory,
    SlackHistory,
    Stored,
    is_at_rest,
)

__all__ = [
    "Broken",
    "ModelHistory",
    "SlackHistory",
    "Stored",
    "check_invariants",
    "is_at_rest",
]

_RULES: Sequence[Callable[[Stored, SlackHistory, ModelHistory], list[Broken]]] = (
    messages.acknowledged_is_kept,
    messages.answered_once,
    messages.ended,
    messages.in_order,
    replies.shows_its_end,
    tools.written_once,
    replies.in_its_place,
    replies.says_what_is_stored,
    leaks.no_secret,
    leaks.nothing_held,
)


def check_invariants(
    db: Stored, slack: SlackHistory, model: ModelHistory
) -> list[Broken]:
    """Return every invariant that these histories break, in the order I1 to I10.

    The world they are of must have come to rest.
    """
    return [broken for rule in _RULES for broken in rule(db, slack, model)]
