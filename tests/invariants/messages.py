"""What becomes of messages: I1 to I4."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

from tests.invariants.histories import (
    ENDED,
    STATUSES,
    Broken,
    ModelHistory,
    Place,
    Row,
    SlackHistory,
    Stored,
)

# The database's clock is read some moments after the claim began.
_SAME_MOMENT = 0.05
_ACTIVE = ("asked", "running", "waiting")


def acknowledged_is_kept(
    db: Stored, slack: SlackHistory, model: ModelHistory
) -> list[Broken]:
    """I1: what was acknowledged to Slack is in the inbox."""
    kept = {(row["channel_id"], row["ts"]) for row in db.rows("inbox")}
    return [
        Broken(
            rule="I1",
            says=f"message {place} was acknowledged and is not in the inbox",
            history=slack.story_of(place),
        )
        for place in slack.acknowledged
        if place not in kept
    ]


def answered_once(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I2: no message belongs to two turns, and none stands in a history twice."""
    broken = []
    for turns in _by_conversation(db).values():
        for earlier, later in pairwise(turns):
            is_empty = later["first_seq"] > later["last_seq"]
            if later["first_seq"] <= earlier["last_seq"] and not is_empty:
                says = f"turns {earlier['id']} and {later['id']} answer the same"
                story = [*db.story_of(earlier), *db.story_of(later)]
                broken.append(Broken(rule="I2", says=says, history=story))
    said: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for item in db.rows("thread_items"):
        if item["kind"] == "wanted" and item["ts"]:
            said[item["assistant_thread_id"], item["ts"]].append(item)
    for (thread, ts), items in said.items():
        if len(items) > 1:
            turns_of = [item["turn_id"] for item in items]
            says = f"message {ts} is asked in turns {turns_of} of history {thread}"
            broken.append(Broken(rule="I2", says=says))
    return broken


def ended(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I3: every turn has ended in one way, and no wanted message waits."""
    broken = [
        Broken(
            rule="I3",
            says=f"turn {turn['id']} is {turn['state']} with {turn['run_status']}",
            history=db.story_of(turn),
        )
        for turn in db.rows("turns")
        if turn["state"] != "suspended" and not _has_ended(turn)
    ]
    for row in db.rows("inbox"):
        its = db.conversations[row["conversation_id"]]
        waits = row["wanted"] and row["outcome"] == "waiting"
        if waits and its["state"] != "suspended" and row["deleted_at"] is None:
            place = (row["channel_id"], row["ts"])
            says = f"message {place} is lost: wanted, and nobody answers it"
            about = f"its conversation: {dict(its)}"
            story = [about, *slack.story_of(place)]
            broken.append(Broken(rule="I3", says=says, history=story))
    return broken


def in_order(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I4: one turn at a time for a thread, and messages in their order.

    Out of order is a message answered before an older one that was acknowledged when
    its turn was claimed; within a turn, one that stands before an older one.
    """
    broken = []
    for turns in _by_conversation(db).values():
        active = [each["id"] for each in turns if each["state"] in _ACTIVE]
        if len(active) > 1:
            says = f"turns {active} of one conversation run at once"
            broken.append(Broken(rule="I4", says=says))
    broken += _asked_out_of_order(db)
    if slack.is_real_time:
        for turns in _by_conversation(db).values():
            broken += _answered_out_of_order(db, slack, turns)
    return broken


def _by_conversation(db: Stored) -> Mapping[int, Sequence[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for turn in sorted(db.rows("turns"), key=lambda row: row["id"]):
        found[turn["conversation_id"]].append(turn)
    return found


def _has_ended(turn: Row) -> bool:
    return (
        turn["state"] in ENDED
        and turn["run_status"] in STATUSES
        and turn["ended_at"] is not None
    )


def _asked_out_of_order(db: Stored) -> list[Broken]:
    asked: defaultdict[int, list[Row]] = defaultdict(list)
    for item in sorted(db.rows("thread_items"), key=lambda row: row["position"]):
        if item["kind"] == "wanted" and item["ts"]:
            asked[item["turn_id"]].append(item)
    return [
        Broken(
            rule="I4",
            says=f"turn {turn_id} asks {later['ts']} after {earlier['ts']}",
        )
        for turn_id, items in asked.items()
        for earlier, later in pairwise(items)
        if float(earlier["ts"]) > float(later["ts"])
    ]


def _answered_out_of_order(
    db: Stored, slack: SlackHistory, turns: Sequence[Row]
) -> list[Broken]:
    if len(turns) < 2:
        return []
    taken: list[tuple[Row, Row]] = []
    for row in db.rows("inbox"):
        is_its = row["conversation_id"] == turns[0]["conversation_id"]
        if is_its and row["wanted"] and row["outcome"] == "answered":
            taken += [
                (row, turn)
                for turn in turns
                if turn["first_seq"] <= row["seq"] <= turn["last_seq"]
            ]
    taken.sort(key=lambda pair: float(pair[0]["ts"]))
    broken = []
    for (older, its_turn), (newer, its_earlier) in combinations(taken, 2):
        place: Place = (older["channel_id"], older["ts"])
        acknowledged = slack.acknowledged.get(place)
        if (
            its_turn["id"] > its_earlier["id"]
            and older["edited_ts"] is None
            and acknowledged is not None
            and acknowledged < its_earlier["claimed_at"] - _SAME_MOMENT
            # Then its time was counted anew, some time after its claim.
            and its_earlier["decided_no"] is None
        ):
            says = f"{newer['ts']} was answered before {older['ts']}, which was known"
            story = [*db.story_of(its_earlier), *db.story_of(its_turn)]
            broken.append(Broken(rule="I4", says=says, history=story))
    return broken
