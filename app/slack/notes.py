"""The few extra posts that call people; everything else is an edit, and edits don't.

A note is for what a person must act on, or has waited long for. Its words are ours and
never a model's, and it is the only thing in which Threadline mentions anybody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from app.domain import Doubt, Ending, RunStatus
from app.slack.blocks import Action, Button, Payload, button_row, part_metadata
from app.slack.gate import MOST_CALLED, call_to
from app.slack.status_line import duration
from app.slack.text import escape_mrkdwn

# What the row of buttons under a question is called, before the doubt's number.
DOUBT_BLOCK = "doubt."

_LONG_FAILURE = 60.0


class About(IntEnum):
    """What a note is about; of each a turn posts at most one.

    What may come several times in a turn counts on from its own number.
    """

    ENDING = 1
    LOST = 2
    DOUBT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line, and a row of buttons if something is to be decided.

    `about` tells it from the other notes of its turn; `people` are user ids, the first
    few of which are called.
    """

    about: int
    people: tuple[str, ...]
    text: str
    buttons: Mapping[str, Any] | None = None


def news(ending: Ending, people: tuple[str, ...], notify_after: float) -> Note | None:
    """What people are told who asked long ago: edits have told them nothing.

    An answer is told when it took more than `notify_after` seconds, if that is not 0;
    a failure after a minute in any case, as somebody must ask again. Never what
    somebody has stopped.
    """
    took = duration(ending.seconds)
    is_long = 0 < notify_after < ending.seconds
    match ending.status:
        case RunStatus.COMPLETED if is_long:
            text = f"My answer is ready, after {took}."
        case RunStatus.INCOMPLETE if is_long:
            text = f"My answer stands above, after {took}. It is not complete."
        case RunStatus.FAILED | RunStatus.EXPIRED if ending.seconds > _LONG_FAILURE:
            text = f"I could not answer this, after {took}. The reason stands above."
        case _:
            return None
    if ending.question_deleted:
        return None
    return Note(about=About.ENDING, people=people, text=text)


def lost(people: tuple[str, ...], turn_id: int) -> Note:
    """What people are told where nobody knows whether they see the answer."""
    return Note(
        about=About.LOST,
        people=people,
        text="My answer may be missing here: Slack did not tell whether it took it.",
        buttons=button_row(Button(Action.RETRY, turn_id)),
    )


def question(doubt: Doubt, people: tuple[str, ...], turn_id: int) -> Note:
    """What people are asked when nobody but them can decide."""
    buttons = button_row(
        Button(Action.CHECK, turn_id),
        Button(Action.LEAVE, turn_id),
        # Beside the turn, as processes of an earlier version read nothing else there.
        block_id=f"{DOUBT_BLOCK}{doubt.number}",
    )
    return Note(
        about=About.DOUBT + doubt.number,
        people=people,
        text=doubt.text,
        buttons=buttons,
    )


def decided(doubt: Doubt, people: tuple[str, ...], decided_by: str | None) -> Note:
    """What stands there once that is decided; `decided_by` is a name."""
    how = f" {decided_by}: check and go on." if decided_by else ""
    return Note(
        about=About.DOUBT + doubt.number, people=people, text=f"{doubt.text}{how}"
    )


def note_payload(note: Note, post_key: str) -> Payload:
    """The message for a note."""
    calls = _callable(note.people)
    says = call_to(calls) + escape_mrkdwn(note.text)
    section = {
        "type": "section",
        # Slack: `verbatim` leaves mentions by id alive, and makes no links.
        "text": {"type": "mrkdwn", "text": says, "verbatim": True},
    }
    return Payload(
        text=says,
        blocks=(section, note.buttons) if note.buttons else (section,),
        metadata=part_metadata(post_key),
        calls=calls,
    )


def _callable(user_ids: Iterable[str]) -> tuple[str, ...]:
    """Each once; what is known by a bot's id alone is not to be called."""
    people = dict.fromkeys(each for each in user_ids if not each.startswith("B"))
    return tuple(people)[:MOST_CALLED]
