"""The tables, and the one column type through which all stored message text goes."""

import json
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnClause,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class MessageText(TypeDecorator[str]):
    """What people, models and tools wrote: the place where encryption would go.

    Characters that no UTF-8 database takes are replaced (half of a surrogate pair)
    or left out (NUL, which Postgres refuses).
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return what a database can store."""
        if value is None:
            return None
        return value.replace("\0", "").encode("utf-8", "replace").decode()


class MessageJson(TypeDecorator[Any]):
    """JSON that holds message text, kept as MessageText keeps it."""

    impl = MessageText
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002
        """Return the value as JSON text."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Return what the JSON text says."""
        return None if value is None else json.loads(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only an INTEGER primary key its own row number.
RowId = BigInteger().with_variant(Integer, "sqlite")

# What holds nobody's words; Postgres can look into it.
PlainJson = JSON().with_variant(JSONB, "postgresql")

# Written into the statements: a bound value would hide from the planner that a
# partial index answers the query.
READY: ColumnClause[str] = literal_column("'ready'")
RUNNING: ColumnClause[str] = literal_column("'running'")
SUSPENDED: ColumnClause[str] = literal_column("'suspended'")


assistant_threads = Table(
    "assistant_threads",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("team_id", String, nullable=False),
    # Where the other side keeps a thread of its own: which protocol, the thread's id
    # there, and the newest turn whose messages it holds.
    Column("api", String),
    Column("remote_id", String),
    Column("told_turn_id", BigInteger),
    # Of a thread grown too long: the first turn that the model still sees.
    Column("kept_from_turn", BigInteger),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("team_id", String, nullable=False),
    Column("channel_id", String, nullable=False),
    Column("thread_ts", String, nullable=False),
    Column("channel_kind", String, nullable=False),
    Column("assistant_thread_id", ForeignKey(assistant_threads.c.id), unique=True),
    Column("state", String, nullable=False),
    Column("inbox_seq", BigInteger, nullable=False),
    Column("wanted_seq", BigInteger, nullable=False),
    Column("taken_seq", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", String),
    Column("ready_at", Double, nullable=False),
    Column("turn_id", RowId),
    Column("follow", String, nullable=False),
    Column("humans", MessageJson, nullable=False),
    # The newest message that is left unanswered because it came late.
    Column("late_seq", BigInteger, nullable=False, server_default="0"),
    # Where it lives, and where there if that is not Slack.
    Column("surface", String, nullable=False, server_default="slack"),
    Column("place", String),
    # Of a suspended turn: until when people have to decide.
    Column("wake_at", Double),
    UniqueConstraint("team_id", "channel_id", "thread_ts"),
)
# Most conversations are Slack's and have no place; they cost the index nothing.
Index(
    "ix_conversations_place",
    conversations.c.team_id,
    conversations.c.surface,
    conversations.c.place,
    unique=True,
    sqlite_where=conversations.c.place.is_not(None),
    postgresql_where=conversations.c.place.is_not(None),
)
Index(
    "ix_conversations_ready",
    conversations.c.ready_at,
    conversations.c.id,
    sqlite_where=conversations.c.state == READY,
    postgresql_where=conversations.c.state == READY,
)
Index(
    "ix_conversations_running",
    conversations.c.owner,
    sqlite_where=conversations.c.state == RUNNING,
    postgresql_where=conversations.c.state == RUNNING,
)
Index(
    "ix_conversations_suspended",
    conversations.c.wake_at,
    sqlite_where=conversations.c.state == SUSPENDED,
    postgresql_where=conversations.c.state == SUSPENDED,
)

inbox = Table(
    "inbox",
    metadata,
    Column("team_id", String, primary_key=True),
    Column("channel_id", String, primary_key=True),
    Column("ts", String, primary_key=True),
    Column("conversation_id", ForeignKey(conversations.c.id), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("edited_ts", String),
    # True while only edits of the message were seen, never the message as first sent.
    Column("edits_only", Boolean, nullable=False),
    Column("deleted_at", Double),
    Column("client_msg_id", String),
    Column("author_id", String, nullable=False),
    Column("author_team_id", String),
    Column("mentioned", Boolean, nullable=False),
    # Its author is the second to write there, and no answer has said so yet.
    Column("joined", Boolean),
    Column("wanted", Boolean, nullable=False),
    Column("text", MessageText, nullable=False),
    Column("files", MessageJson, nullable=False),
    # When a turn took up the message; only ever set where an answer was wanted.
    Column("taken_at", Double),
    Column("outcome", String),
    Column("outcome_by", String),
    # The process that holds the request which waits for an answer, if one does.
    Column("held_by", String),
    # When it came here; anew when somebody asks for a late one to be answered.
    Column("received_at", Double),
    UniqueConstraint("conversation_id", "seq"),
    UniqueConstraint("conversation_id", "author_id", "client_msg_id"),
)
Index(
    "ix_inbox_taken_by_author",
    inbox.c.team_id,
    inbox.c.author_id,
    inbox.c.taken_at,
    sqlite_where=inbox.c.taken_at.is_not(None),
    postgresql_where=inbox.c.taken_at.is_not(None),
)

turns = Table(
    "turns",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("team_id", String, nullable=False),
    Column(
        "conversation_id", ForeignKey(conversations.c.id), nullable=False, index=True
    ),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    # The run on the other side, where the protocol keeps runs there.
    Column("remote_run_id", String),
    Column("run_status", String),
    Column("stop_by", String),
    Column("error", String),
    Column("blocked_by", String),
    # How it ends, once that is sure; people may not have seen it yet. What was
    # written for the end begins at this position of its items.
    Column("ending", MessageJson),
    Column("end_position", Integer),
    # The raw text that its messages show, while more may come.
    Column("text_so_far", MessageText),
    # Of a turn that nobody wrote a message for: what it goes on with, and for whom.
    Column("continues_turn_id", BigInteger),
    Column("asked_by", String),
    # Who wants it to go on after its end, while people are still being told of it.
    Column("resumed_by", String),
    # What people were asked last, and who has decided about which question.
    Column("doubt", MessageText),
    Column("doubt_no", Integer),
    Column("decided_no", Integer),
    Column("decided_by", String),
    # What its passes took, those of former owners too.
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("claimed_at", Double, nullable=False),
    Column("ended_at", Double),
)

thread_items = Table(
    "thread_items",
    metadata,
    Column("assistant_thread_id", ForeignKey(assistant_threads.c.id), primary_key=True),
    Column("turn_id", ForeignKey(turns.c.id), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("team_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("author_id", String),
    Column("ts", String),
    Column("item", MessageJson, nullable=False),
)
Index(
    "ix_thread_items_by_ts",
    thread_items.c.assistant_thread_id,
    thread_items.c.ts,
    sqlite_where=thread_items.c.ts.is_not(None),
    postgresql_where=thread_items.c.ts.is_not(None),
)

reply_parts = Table(
    "reply_parts",
    metadata,
    Column("turn_id", ForeignKey(turns.c.id), primary_key=True),
    Column("part_no", Integer, primary_key=True, autoincrement=False),
    Column("team_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("post_key", String, nullable=False),
    Column("ts", String),
    Column("start_offset", Integer, nullable=False),
    Column("end_offset", Integer),
    Column("sealed", Boolean, nullable=False),
)

tool_calls = Table(
    "tool_calls",
    metadata,
    Column("turn_id", ForeignKey(turns.c.id), primary_key=True),
    Column("pass_no", Integer, primary_key=True, autoincrement=False),
    Column("call_id", String, primary_key=True),
    Column("team_id", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("arguments", MessageText, nullable=False),
    Column("state", String, nullable=False),
    Column("result", MessageText),
)

data_messages = Table(
    "data_messages",
    metadata,
    Column("turn_id", ForeignKey(turns.c.id), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("team_id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("data", MessageJson, nullable=False),
    Column("caused_by", String),
    Column("part_no", Integer),
)

rooms = Table(
    "rooms",
    metadata,
    Column("team_id", String, primary_key=True),
    Column("room", String, primary_key=True),
    Column("temperature", Double, nullable=False),
)

room_changes = Table(
    "room_changes",
    metadata,
    Column("turn_id", ForeignKey(turns.c.id), primary_key=True),
    Column("pass_no", Integer, primary_key=True, autoincrement=False),
    Column("call_id", String, primary_key=True),
    Column("team_id", String, nullable=False),
    Column("room", String, nullable=False),
    Column("old", Double, nullable=False),
    Column("new", Double, nullable=False),
    Column("changed_by", String, nullable=False),
    Column("changed_at", Double, nullable=False),
)

# The one line in a thread that says that something there came late. `due_at` is set
# while Slack does not show yet what the state says.
late_notes = Table(
    "late_notes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("team_id", String, nullable=False),
    Column(
        "conversation_id", ForeignKey(conversations.c.id), nullable=False, index=True
    ),
    Column("post_key", String, nullable=False),
    Column("state", String, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("due_at", Double),
    Column("owner", String),
    # How often somebody has begun to post it: after the first time it may be there.
    Column("attempts", Integer, nullable=False),
    Column("ts", String),
    Column("asked_by", String),
    UniqueConstraint("team_id", "post_key"),
)
Index(
    "ix_late_notes_due_at",
    late_notes.c.due_at,
    sqlite_where=late_notes.c.due_at.is_not(None),
    postgresql_where=late_notes.c.due_at.is_not(None),
)

# What somebody has asked for with a button, of the last hour.
askings = Table(
    "askings",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("team_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("asked_at", Double, nullable=False),
)
Index("ix_askings_by_person", askings.c.team_id, askings.c.user_id, askings.c.asked_at)

# How often a method of Slack's may be called in a workspace. Where processes share, on
# Postgres, `holders` says who has tokens, {id: {until, held, demand, reserve}}, and
# `calls` how many there were in each second of the last minute, {second: calls}.
# Until `saved_until` it grows more slowly, as savings were spent.
rate_budgets = Table(
    "rate_budgets",
    metadata,
    Column("team_id", String, primary_key=True),
    Column("method", String, primary_key=True),
    Column("rate", Double, nullable=False),
    Column("burst", Double, nullable=False),
    Column("refused_at", Double, nullable=False),
    Column("tokens", Double, nullable=False),
    Column("owed", Double, nullable=False, server_default="0"),
    Column("as_of", Double, nullable=False),
    Column("blocked_until", Double, nullable=False),
    Column("saved_until", Double, nullable=False),
    Column("calls", PlainJson, nullable=False),
    Column("holders", PlainJson, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("expires_at", Double, nullable=False),
    Column("version", String, nullable=False),
)

# The times in which no process was alive; who has read what Slack did not send again.
absences = Table(
    "absences",
    metadata,
    Column("away_from", Double, primary_key=True),
    Column("back_at", Double, nullable=False),
    Column("owner", String),
    Column("caught_up_at", Double),
)
