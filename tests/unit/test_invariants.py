"""The check of all worlds can fail: each invariant, broken in a small history."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.invariants import (
    ModelHistory,
    SlackHistory,
    Stored,
    check_invariants,
    is_at_rest,
)

BOT, ANA, TEAM, CHANNEL = "U0BOT", "U0ANA", "T0", "C0"
ROOT, ANSWER = "100.000001", "100.000002"
SECRET = "xoxb-sandbox-secret"

World = dict[str, Any]
Break = Callable[[World], object]


def question(ts: str, **more: object) -> World:
    return {
        "team_id": TEAM,
        "channel_id": CHANNEL,
        "ts": ts,
        "conversation_id": 1,
        "seq": 1,
        "author_id": ANA,
        "wanted": True,
        "outcome": "answered",
        "edited_ts": None,
        "deleted_at": None,
        **more,
    }


def turn(**more: object) -> World:
    return {
        "id": 1,
        "team_id": TEAM,
        "conversation_id": 1,
        "first_seq": 1,
        "last_seq": 1,
        "state": "done",
        "run_status": "completed",
        "blocked_by": None,
        "claimed_at": 100.2,
        "decided_no": None,
        "ended_at": 101.0,
        **more,
    }


def item(kind: str, position: int, value: World, **more: object) -> World:
    its = {"assistant_thread_id": 1, "turn_id": 1, "kind": kind, "ts": None}
    return {**its, "position": position, "item": value, **more}


def text_blocks(text: str, line: str) -> list[World]:
    words = {"type": "mrkdwn", "text": line}
    return [
        {"type": "markdown", "text": text},
        {"type": "context", "elements": [words]},
    ]


def delivery(ts: str, at: float) -> World:
    event = {"type": "app_mention", "user": ANA, "channel": CHANNEL, "ts": ts}
    return {
        "at": at,
        "kind": "events_api",
        "name": "app_mention",
        "attempt": 0,
        "status": 200,
        "reason": "",
        "body": {"event": {**event, "text": f"<@{BOT}> hello"}},
    }


def change(pass_no: int, old: float, new: float, at: float) -> World:
    its = {"turn_id": 1, "pass_no": pass_no, "call_id": f"c{pass_no}"}
    room = {"team_id": TEAM, "room": "kitchen", "old": old, "new": new}
    return {**its, **room, "changed_at": at}


def whole_world() -> World:
    """A question, a call, an answer: a world in which everything holds."""
    said = {"type": "message", "content": [{"type": "output_text", "text": "All set."}]}
    part = {"type": "threadline_part", "event_payload": {"key": "k1"}}
    return {
        "tables": {
            "conversations": [
                {
                    "id": 1,
                    "team_id": TEAM,
                    "channel_id": CHANNEL,
                    "thread_ts": ROOT,
                    "surface": "slack",
                    "state": "idle",
                    "owner": None,
                    "turn_id": None,
                }
            ],
            "inbox": [question(ROOT)],
            "turns": [turn()],
            "thread_items": [
                item("wanted", 0, {"text": "hello"}, ts=ROOT),
                item("tool output", 1, {"call_id": "c1", "output": "done"}),
                item("output", 2, said),
            ],
            "reply_parts": [
                {
                    "turn_id": 1,
                    "part_no": 0,
                    "kind": "text",
                    "post_key": "k1",
                    "ts": ANSWER,
                }
            ],
            "tool_calls": [
                {
                    "turn_id": 1,
                    "pass_no": 1,
                    "call_id": "c1",
                    "name": "setRoomTemperature",
                    "arguments": "{}",
                }
            ],
            "rooms": [{"team_id": TEAM, "room": "kitchen", "temperature": 23.0}],
            "room_changes": [change(1, 22.0, 23.0, 100.5)],
        },
        "calls": [
            {
                "at": 100.6,
                "method": "chat.postMessage",
                "arguments": {"channel": CHANNEL, "thread_ts": ROOT},
                "response": {"ok": True, "ts": ANSWER},
                "status": 200,
            }
        ],
        "deliveries": [delivery(ROOT, 100.1)],
        "messages": [
            {
                "channel_id": CHANNEL,
                "ts": ROOT,
                "thread_ts": None,
                "user_id": ANA,
                "text": "hello",
                "blocks": [],
                "metadata": None,
            },
            {
                "channel_id": CHANNEL,
                "ts": ANSWER,
                "thread_ts": ROOT,
                "user_id": BOT,
                "text": "All set.",
                "blocks": text_blocks("All set.", "completed · 1 s"),
                "metadata": {**part, "event_type": "threadline_part"},
            },
        ],
        "statuses": {},
        "requests": [{"number": 1, "what": "POST", "ended": "completed", "body": {}}],
    }


def broken_in(world: World) -> list[str]:
    """The rules that a world breaks."""
    found = check_invariants(
        Stored(tables=world["tables"]),
        SlackHistory(
            bot_user_id=BOT,
            calls=world["calls"],
            deliveries=world["deliveries"],
            messages=world["messages"],
            statuses=world["statuses"],
            members=frozenset({ANA}),
            secrets=[SECRET],
        ),
        ModelHistory(requests=world["requests"]),
    )
    assert all(each.says for each in found)
    return [each.rule for each in found]


def answer_of(world: World) -> World:
    message: World = world["messages"][1]
    return message


def answered_late(world: World) -> None:
    """An older message, acknowledged in time, is answered after a newer one."""
    world["tables"]["inbox"] = [
        question(ROOT, seq=2),
        question("100.000005", seq=1),
    ]
    later = turn(id=2, first_seq=2, last_seq=2, claimed_at=102.0)
    world["tables"]["turns"].append(later)


BREAKS: dict[str, tuple[str, Break]] = {
    "an acknowledged message is in no inbox": (
        "I1",
        lambda w: w["deliveries"].append(delivery("200.000001", 200.1)),
    ),
    "two turns answer one message": (
        "I2",
        lambda w: w["tables"]["turns"].append(turn(id=2)),
    ),
    "a message is asked twice": (
        "I2",
        lambda w: w["tables"]["thread_items"].append(
            item("wanted", 0, {"text": "hello"}, ts=ROOT, turn_id=2)
        ),
    ),
    "a turn has ended in no way": (
        "I3",
        lambda w: w["tables"]["turns"][0].update(run_status="in_progress"),
    ),
    "a wanted message waits for ever": (
        "I3",
        lambda w: w["tables"]["inbox"].append(
            question("101.000001", seq=2, outcome="waiting")
        ),
    ),
    "an older message is answered later": ("I4", answered_late),
    "an answer is asked for again beside one that is under way": (
        "I4",
        lambda w: w["tables"]["turns"].extend(
            [turn(id=2, state="asked"), turn(id=3, state="running")]
        ),
    ),
    "a turn asks out of order": (
        "I4",
        lambda w: w["tables"]["thread_items"].append(
            item("wanted", 4, {"text": "first"}, ts="099.000001")
        ),
    ),
    "an answer does not say how it ended": (
        "I5",
        lambda w: answer_of(w).update(blocks=text_blocks("All set.", "in progress")),
    ),
    "a part was never posted": (
        "I5",
        lambda w: w["tables"]["reply_parts"][0].update(ts=None),
    ),
    "a status is left beside the bot's name": (
        "I5",
        lambda w: w["statuses"].update({(CHANNEL, ROOT): "is working"}),
    ),
    "a change is made in two passes": (
        "I6",
        lambda w: w["tables"]["room_changes"].append(change(2, 23.0, 23.0, 100.7)),
    ),
    "a change is lost": (
        "I6",
        lambda w: w["tables"]["rooms"][0].update(temperature=22.0),
    ),
    "a call has no output": (
        "I6",
        lambda w: w["tables"]["thread_items"].pop(1),
    ),
    "an answer is there twice": (
        "I7",
        lambda w: w["messages"].append({**answer_of(w), "ts": "100.000009"}),
    ),
    "an answer belongs to no turn": (
        "I7",
        lambda w: answer_of(w)["metadata"]["event_payload"].update(key="k9"),
    ),
    "an answer stands in another thread": (
        "I7",
        lambda w: answer_of(w).update(thread_ts="555.000001"),
    ),
    "something was said in a channel of nobody's": (
        "I7",
        lambda w: w["calls"][0]["arguments"].update(channel="C9"),
    ),
    "an answer has a text twice": (
        "I8",
        lambda w: answer_of(w).update(
            blocks=text_blocks("All set. All set.", "completed · 1 s")
        ),
    ),
    "a token was posted": (
        "I9",
        lambda w: answer_of(w).update(text=f"it is {SECRET}"),
    ),
    "somebody still owns an idle conversation": (
        "I10",
        lambda w: w["tables"]["conversations"][0].update(owner="gone"),
    ),
    "a request to the model never ended": (
        "I10",
        lambda w: w["requests"][0].update(ended=""),
    ),
}


def test_a_world_in_which_all_went_well_breaks_nothing():
    assert broken_in(whole_world()) == []


@pytest.mark.parametrize("what", BREAKS)
def test_it_is_seen_when(what: str):
    rule, damage = BREAKS[what]
    world = deepcopy(whole_world())

    damage(world)

    assert rule in broken_in(world)


@pytest.mark.parametrize("state", ["ready", "running"])
def test_a_world_in_which_somebody_waits_is_not_at_rest(state: str):
    world = whole_world()
    slack = SlackHistory(bot_user_id=BOT)
    assert is_at_rest(Stored(tables=world["tables"]), slack)

    world["tables"]["conversations"][0]["state"] = state

    assert not is_at_rest(Stored(tables=world["tables"]), slack)
