"""What one Slack message of a reply looks like: text parts and data parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.slack.cards import Card, heading
from app.slack.text import escape_mrkdwn, plain_text

PART_EVENT = "threadline_part"

_MAX_PREVIEW = 300
_MAX_ABOUT = 80
# Slack: a section's text has at most 3,000 characters, escaped ones included.
_MAX_SECTION = 2_900


class Action(StrEnum):
    """What the buttons under an answer do, by their `action_id`."""

    STOP = "threadline_stop"
    RETRY = "threadline_retry"
    CONTINUE = "threadline_continue"
    ANSWER_NOW = "threadline_answer_now"
    CHECK = "threadline_check"
    LEAVE = "threadline_leave"


_LABELS = {
    Action.STOP: "Stop",
    Action.RETRY: "Retry",
    Action.CONTINUE: "Continue",
    Action.ANSWER_NOW: "Answer now",
    Action.CHECK: "Check and go on",
    Action.LEAVE: "Leave it",
}


@dataclass(frozen=True, slots=True)
class Button:
    """One button; it says which turn it is about, or for Answer now which note."""

    action: Action
    turn_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """All that one message shows; `text` is what notifications and old clients show.

    `calls` are the user ids of the people whom its text calls, before anything else.
    """

    text: str
    blocks: tuple[Mapping[str, Any], ...]
    attachments: tuple[Mapping[str, Any], ...] | None = None
    metadata: Mapping[str, Any] | None = None
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLook:
    """What a text part shows: neutralised Markdown, and for the newest part its line.

    `preview` is the raw beginning of the text, `sources` what it is based on, safe as
    the body is. A part that Slack has refused as Markdown `is_plain`.
    """

    body: str
    preview: str
    post_key: str
    sources: str = ""
    line: str | None = None
    about: str = ""
    button: Button | None = None
    notes: Sequence[Card] = ()
    is_plain: bool = False


def text_payload(look: TextLook) -> Payload:
    """The message for a text part; without text its line is the text."""
    blocks: list[dict[str, Any]] = []
    if look.body and look.is_plain:
        blocks += _plain_sections(look.body)
    elif look.body:
        blocks.append({"type": "markdown", "text": look.body})
    if look.sources and look.body and not look.is_plain:
        blocks.append({"type": "markdown", "text": look.sources})
    if look.line and look.body:
        blocks.append({"type": "context", "elements": [_mrkdwn(look.line)]})
    elif look.line:
        blocks.append({"type": "section", "text": _mrkdwn(look.line)})
    if look.button:
        blocks.append(button_row(look.button))
    return Payload(
        text=_fallback(look),
        blocks=tuple(blocks),
        attachments=tuple(note.attachment for note in look.notes),
        metadata=part_metadata(look.post_key),
    )


def data_payload(cards: Sequence[Card], post_key: str) -> Payload:
    """The message for data messages: a heading and a coloured bar for each."""
    says = heading(cards)
    return Payload(
        text=says,
        blocks=({"type": "section", "text": _mrkdwn(says)},),
        attachments=tuple(each.attachment for each in cards),
        metadata=part_metadata(post_key),
    )


def line_payload(line: str, post_key: str, button: Button | None = None) -> Payload:
    """The message for one line of ours that is no answer."""
    section = {"type": "section", "text": _mrkdwn(line)}
    return Payload(
        text=escape_mrkdwn(line),
        blocks=(section, button_row(button)) if button else (section,),
        metadata=part_metadata(post_key),
    )


def about(question: str) -> str:
    """What a reply without text says in a notification: what it is about.

    `question` is what somebody wrote, as Slack has it.
    """
    words = " ".join(plain_text(question, {}).split())
    if not words:
        return "On it"
    cut = words if len(words) <= _MAX_ABOUT else words[:_MAX_ABOUT].rsplit(" ", 1)[0]
    return f"On it: {cut}"


def _fallback(look: TextLook) -> str:
    preview = look.preview.strip()[:_MAX_PREVIEW].strip()
    if preview:
        return escape_mrkdwn(preview)
    is_running = look.button is not None and look.button.action is Action.STOP
    if look.line and not is_running:
        return escape_mrkdwn(look.line)
    return escape_mrkdwn(look.about or "On it")


def button_row(*buttons: Button, block_id: str | None = None) -> dict[str, Any]:
    """The block for some buttons; its `block_id` comes back with a click."""
    its_id = {} if block_id is None else {"block_id": block_id}
    elements = [_element(each) for each in buttons]
    return {"type": "actions", **its_id, "elements": elements}


def _element(button: Button) -> dict[str, Any]:
    label = _LABELS[button.action]
    return {
        "type": "button",
        "action_id": button.action.value,
        "value": str(button.turn_id),
        "text": {"type": "plain_text", "text": label, "emoji": False},
    }


def _plain_sections(body: str) -> list[dict[str, Any]]:
    pieces = [
        body[start : start + _MAX_SECTION]
        for start in range(0, len(body), _MAX_SECTION)
    ]
    return [
        {"type": "section", "text": {"type": "plain_text", "text": piece}}
        for piece in pieces
    ]


def _mrkdwn(text: str) -> dict[str, Any]:
    # Slack: with `verbatim` it makes no links of its own.
    escaped = escape_mrkdwn(text)[:_MAX_SECTION]
    return {"type": "mrkdwn", "text": escaped, "verbatim": True}


def part_metadata(post_key: str) -> dict[str, Any]:
    """What tells a message of ours from all others, without saying anything."""
    # Slack: metadata can be read by every app in the workspace, so ids alone.
    return {"event_type": PART_EVENT, "event_payload": {"key": post_key}}
