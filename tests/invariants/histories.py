"""The three histories, as plain rows, and the questions that all rules ask of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Row = Mapping[str, Any]
Place = tuple[str, str]

ENDED = ("done", "failed", "cancelled")
STATUSES = ("completed", "incomplete", "failed", "cancelled", "expired")
OUR_PARTS = "threadline_part"


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One invariant that does not hold, and the part of history that shows it."""

    rule: str
    says: str
    history: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n    ".join([f"{self.rule}: {self.says}", *self.history])


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The rows of the bot's database, by table."""

    tables: Mapping[str, Sequence[Row]]

    def rows(self, table: str) -> Sequence[Row]:
        """All rows of a table."""
        return self.tables.get(table, ())

    @cached_property
    def conversations(self) -> Mapping[int, Row]:
        """Every conversation by its id."""
        return {row["id"]: row for row in self.rows("conversations")}

    @cached_property
    def slack_turns(self) -> Sequence[Row]:
        """The turns that are answered in Slack, the oldest first."""
        return [
            turn
            for turn in sorted(self.rows("turns"), key=lambda row: row["id"])
            if self.conversations[turn["conversation_id"]]["surface"] == "slack"
        ]

    @cached_property
    def parts(self) -> Mapping[int, Sequence[Row]]:
        """The parts of each turn's reply, in order."""
        found: defaultdict[int, list[Row]] = defaultdict(list)
        for row in sorted(self.rows("reply_parts"), key=lambda row: row["part_no"]):
            found[row["turn_id"]].append(row)
        return found

    def place_of(self, turn: Row) -> Place:
        """The channel and thread of a turn, or whatever else has a conversation."""
        its = self.conversations[turn["conversation_id"]]
        return its["channel_id"], its["thread_ts"]

    def story_of(self, turn: Row) -> list[str]:
        """What the database says of a turn, for people to read."""
        answered = [
            f"message {row['ts']} seq {row['seq']} of {row['author_id']}: "
            f"wanted {bool(row['wanted'])}, {row['outcome']}"
            for row in self.rows("inbox")
            if row["conversation_id"] == turn["conversation_id"]
            and turn["first_seq"] <= row["seq"] <= turn["last_seq"]
        ]
        parts = [
            f"part {row['part_no']} {row['kind']} at {row['ts']}"
            for row in self.parts.get(turn["id"], ())
        ]
        shown = {k: v for k, v in turn.items() if v is not None and k != "team_id"}
        return [f"turn {shown}", *answered, *parts]


@dataclass(frozen=True, kw_only=True)
class SlackHistory:
    """What happened in the sandbox's Slack, and what stands there now.

    `members` are the people whom the bot may answer; `answers_in` the channels where
    it may, None for all. `secrets` are the tokens that must be nowhere else. On a
    clock that is not `real` moments can't be compared with those of the database.
    """

    bot_user_id: str
    calls: Sequence[Row] = ()
    deliveries: Sequence[Row] = ()
    messages: Sequence[Row] = ()
    statuses: Mapping[Place, str] = field(default_factory=dict)
    pending: int = 0
    members: frozenset[str] = frozenset()
    answers_in: frozenset[str] | None = None
    secrets: Sequence[str] = ()
    is_real_time: bool = True

    @cached_property
    def by_place(self) -> Mapping[Place, Row]:
        """Every message that stands there, by channel and ts."""
        return {(row["channel_id"], row["ts"]): row for row in self.messages}

    @cached_property
    def ours(self) -> Sequence[Row]:
        """The bot's messages that stand there."""
        return [row for row in self.messages if row["user_id"] == self.bot_user_id]

    @cached_property
    def acknowledged(self) -> Mapping[Place, float]:
        """When each message addressed to the bot was first taken from Slack.

        One that was sent with the id of an earlier one is that one, sent again.
        """
        found: dict[Place, float] = {}
        sent: dict[str, Place] = {}
        for delivery in self.deliveries:
            if 200 <= delivery["status"] < 300:
                for place in self._addressed(delivery["body"]):
                    name = delivery["body"]["event"].get("client_msg_id") or str(place)
                    if sent.setdefault(name, place) == place:
                        found.setdefault(place, delivery["at"])
        return found

    def _addressed(self, body: Row) -> Iterator[Place]:
        event = body.get("event") or {}
        if (
            event.get("type") not in ("message", "app_mention")
            or event.get("subtype") not in (None, "file_share", "thread_broadcast")
            or event.get("bot_id")
            or event.get("user") not in self.members
        ):
            return
        is_direct = event.get("channel_type") == "im"
        is_allowed = self.answers_in is None or event["channel"] in self.answers_in
        mention = f"<@{self.bot_user_id}>"
        if is_direct or (is_allowed and mention in str(event.get("text"))):
            yield event["channel"], event["ts"]

    def story_of(self, place: Place) -> list[str]:
        """What happened to one message, for people to read."""
        _, ts = place
        told = [
            f"{row['at']:.3f} {row['kind']} {row['name']} attempt {row['attempt']} "
            f"-> {row['status']} {row['reason']}"
            for row in self.deliveries
            if ts in str(row["body"])
        ]
        done = [
            f"{row['at']:.3f} {row['method']} -> {row['status']} "
            f"{row['response'].get('error', 'ok')} {row['response'].get('ts', '')}"
            for row in self.calls
            if ts in (row["arguments"].get("ts"), row["arguments"].get("thread_ts"))
            or row["response"].get("ts") == ts
        ]
        return [*told, *done]


@dataclass(frozen=True, kw_only=True)
class ModelHistory:
    """The requests that the sandbox's model got."""

    requests: Sequence[Row] = ()


def key_of(message: Row) -> str | None:
    """The key of a message that is a part of a reply."""
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != OUR_PARTS:
        return None
    return str((metadata.get("event_payload") or {}).get("key"))


def is_at_rest(db: Stored, slack: SlackHistory) -> bool:
    """Whether nothing is under way, and nothing waits to be."""
    return (
        slack.pending == 0
        and all(
            row["state"] in ("idle", "suspended") for row in db.rows("conversations")
        )
        and all(row["state"] in (*ENDED, "suspended") for row in db.rows("turns"))
    )
