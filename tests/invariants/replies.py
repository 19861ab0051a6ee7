"""What people see of answers: I5, I7 and I8."""

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.invariants.histories import (
    ENDED,
    Broken,
    ModelHistory,
    Row,
    SlackHistory,
    Stored,
    key_of,
)

_FINAL = ("completed", "incomplete", "expired", "cancelled", "⚠️ failed")
_STOP = "threadline_stop"
_SOURCES = "Sources · "
_WRITES = ("chat.postMessage", "chat.update", "chat.delete")
# What is shown otherwise than it was written, for the readers' sake.
_REWRITTEN = re.compile(r"[<>@|]|://|!\[|```")


def shows_its_end(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I5: a turn that has ended shows how, unless Slack would not have it."""
    broken = []
    for turn in db.slack_turns:
        if turn["state"] in ENDED and not turn["blocked_by"]:
            broken += [
                Broken(
                    rule="I5",
                    says=f"turn {turn['id']} has ended, but {what}",
                    history=[*db.story_of(turn), *slack.story_of(db.place_of(turn))],
                )
                for what in _amiss(db, slack, turn)
            ]
    # Where Slack does not let us end, a status goes by itself, after two minutes.
    blocked = {db.place_of(turn) for turn in db.slack_turns if turn["blocked_by"]}
    idle = {
        (row["channel_id"], row["thread_ts"])
        for row in db.rows("conversations")
        if row["state"] == "idle"
    } - blocked
    return broken + [
        Broken(rule="I5", says=f"{place} still says that the bot {status!r}")
        for place, status in slack.statuses.items()
        if status and place in idle and place in slack.by_place
    ]


def in_its_place(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I7: nothing is said outside of its thread, and no part of an answer twice."""
    places = {
        row["post_key"]: db.place_of(turn)
        for turn in db.rows("turns")
        for row in db.parts.get(turn["id"], ())
    }
    places |= {row["post_key"]: db.place_of(row) for row in db.rows("late_notes")}
    channels = {row["channel_id"] for row in db.rows("conversations")}
    broken = [
        Broken(rule="I7", says=f"{call['method']} went to {call['arguments']}")
        for call in slack.calls
        if call["method"] in _WRITES
        and call["response"].get("ok")
        and call["arguments"].get("channel") not in channels
    ]
    keys = Counter(key for message in slack.ours if (key := key_of(message)))
    for message in slack.ours:
        key = key_of(message)
        stands = (message["channel_id"], message["thread_ts"])
        story = [f"{stands} {message['ts']}: {message['text'][:80]}"]
        story += slack.story_of((message["channel_id"], message["ts"]))
        if key and key not in places:
            says = f"the answer at {message['ts']} belongs to no turn"
            broken.append(Broken(rule="I7", says=says, history=story))
        elif key and places[key] != stands:
            says = f"the answer at {message['ts']} stands outside of {places[key]}"
            broken.append(Broken(rule="I7", says=says, history=story))
        if key and keys[key] > 1:
            says = f"the answer at {message['ts']} is there {keys[key]} times"
            broken.append(Broken(rule="I7", says=says, history=story))
    return broken


def says_what_is_stored(
    db: Stored, slack: SlackHistory, model: ModelHistory
) -> list[Broken]:
    """I8: the words in Slack are those in the database, each once and in order."""
    broken = []
    for turn in db.slack_turns:
        parts = [row for row in db.parts.get(turn["id"], ()) if row["kind"] == "text"]
        shown = [slack.by_place.get(_place(db, turn, row)) for row in parts]
        stored = _stored_text(db, turn)
        is_over = turn["state"] in ENDED and not turn["blocked_by"]
        if not is_over or not all(shown) or not parts or _REWRITTEN.search(stored):
            continue
        seen = "\n".join(_text(message) for message in shown if message)
        if _words(seen) != _words(stored):
            says = f"turn {turn['id']} shows other words than are stored"
            story = [f"stored: {stored!r}", f"shown: {seen!r}", *db.story_of(turn)]
            broken.append(Broken(rule="I8", says=says, history=story))
    return broken


def _amiss(db: Stored, slack: SlackHistory, turn: Row) -> Iterator[str]:
    messages = []
    for row in db.parts.get(turn["id"], ()):
        message = slack.by_place.get(_place(db, turn, row)) if row["ts"] else None
        # An answer is complete without the notes beside it.
        if row["ts"] is None and row["kind"] != "note":
            yield f"part {row['part_no']} was never posted"
        elif message and row["kind"] == "text":
            messages.append(message)
    if messages and not _line(messages[-1]).startswith(_FINAL):
        yield f"{messages[-1]['ts']} does not say so: {_line(messages[-1])!r}"
    for message in messages:
        if _STOP in json.dumps(message["blocks"]):
            yield f"{message['ts']} still has a Stop button"


def _place(db: Stored, turn: Row, part: Row) -> tuple[str, str]:
    return db.place_of(turn)[0], part["ts"]


def _line(message: Row) -> str:
    """The quiet line of an answer, or what stands for it where there is no text."""
    lines = [
        str((block.get("text") or block["elements"][0])["text"])
        for block in message["blocks"]
        if block["type"] in ("context", "section")
    ]
    return lines[-1] if lines else ""


def _text(message: Row) -> str:
    return "\n".join(
        block["text"]
        for block in message["blocks"]
        if block["type"] == "markdown" and not block["text"].startswith(_SOURCES)
    )


def _stored_text(db: Stored, turn: Row) -> str:
    items: Sequence[Row] = sorted(
        (
            row
            for row in db.rows("thread_items")
            if row["turn_id"] == turn["id"] and row["kind"] == "output"
        ),
        key=lambda row: row["position"],
    )
    return "\n".join(_said(row["item"]) for row in items)


def _said(item: Row) -> str:
    if item.get("type") != "message" or item.get("phase") == "commentary":
        return ""
    content = item.get("content") or ()
    if isinstance(content, str):
        return content
    return "".join(str(p.get("text") or p.get("refusal") or "") for p in content)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", html.unescape(text))
