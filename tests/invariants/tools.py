"""What tools have done: I6."""

from collections import Counter, defaultdict
from itertools import pairwise

from tests.invariants.histories import (
    ENDED,
    Broken,
    ModelHistory,
    Row,
    SlackHistory,
    Stored,
)


def written_once(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I6: a change is made once, after another, and every call has one output."""
    return [*_repeated(db), *_out_of_line(db), *_without_output(db)]


def _repeated(db: Stored) -> list[Broken]:
    """What one pass of a turn has set, no other pass of it sets again."""
    passes: defaultdict[tuple[int, str, float], set[int]] = defaultdict(set)
    for row in db.rows("room_changes"):
        passes[row["turn_id"], row["room"], row["new"]].add(row["pass_no"])
    return [
        Broken(
            rule="I6",
            says=f"turn {turn_id} has set {room} to {new:g} in passes {sorted(found)}",
            history=[
                str(dict(row)) for row in db.rows("room_changes") if row["room"] == room
            ],
        )
        for (turn_id, room, new), found in passes.items()
        if len(found) > 1
    ]


def _out_of_line(db: Stored) -> list[Broken]:
    """Each change of a room begins where the one before it ended."""
    by_room: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(db.rows("room_changes"), key=lambda row: row["changed_at"]):
        by_room[row["team_id"], row["room"]].append(row)
    broken = [
        Broken(
            rule="I6",
            says=f"{room} went from {later['old']:g} when it was {earlier['new']:g}",
            history=[str(dict(earlier)), str(dict(later))],
        )
        for (_, room), changes in by_room.items()
        for earlier, later in pairwise(changes)
        if earlier["new"] != later["old"]
    ]
    for row in db.rows("rooms"):
        changes = by_room.get((row["team_id"], row["room"]))
        if changes and changes[-1]["new"] != row["temperature"]:
            says = f"{row['room']} is {row['temperature']:g}, not as it was set last"
            history = [str(dict(changes[-1]))]
            broken.append(Broken(rule="I6", says=says, history=history))
    return broken


def _without_output(db: Stored) -> list[Broken]:
    outputs = Counter(
        (row["turn_id"], row["item"].get("call_id"))
        for row in db.rows("thread_items")
        if row["kind"] == "tool output"
    )
    calls = Counter((row["turn_id"], row["call_id"]) for row in db.rows("tool_calls"))
    over = {row["id"] for row in db.rows("turns") if row["state"] in ENDED}
    return [
        Broken(
            rule="I6",
            says=f"call {call_id} of turn {turn_id} has {outputs[turn_id, call_id]} "
            f"outputs for {times}",
            history=[
                str(dict(r)) for r in db.rows("tool_calls") if r["turn_id"] == turn_id
            ],
        )
        for (turn_id, call_id), times in calls.items()
        if turn_id in over and outputs[turn_id, call_id] != times
    ]
