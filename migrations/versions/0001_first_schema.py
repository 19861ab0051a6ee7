"""Conversations, their inbox and turns, the history, replies, tools and workers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_conversations()
    _make_inbox()
    _make_turns()
    _make_history()
    _make_replies()
    _make_tools()
    _make_workers()


def downgrade() -> None:
    for table in (
        "workers",
        "room_changes",
        "rooms",
        "tool_calls",
        "data_messages",
        "reply_parts",
        "thread_items",
        "turns",
        "inbox",
        "conversations",
        "assistant_threads",
    ):
        op.drop_table(table)


def _make_conversations() -> None:
    op.create_table(
        "assistant_threads",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assistant_threads"),
    )
    op.create_table(
        "conversations",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("thread_ts", sa.String(), nullable=False),
        sa.Column("channel_kind", sa.String(), nullable=False),
        sa.Column("assistant_thread_id", _ROW_ID),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("inbox_seq", sa.BigInteger(), nullable=False),
        sa.Column("wanted_seq", sa.BigInteger(), nullable=False),
        sa.Column("taken_seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("ready_at", sa.Double(), nullable=False),
        sa.Column("turn_id", _ROW_ID),
        sa.Column("follow", sa.String(), nullable=False),
        sa.Column("humans", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assistant_thread_id"],
            ["assistant_threads.id"],
            name="fk_conversations_assistant_thread_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.UniqueConstraint(
            "assistant_thread_id", name="uq_conversations_assistant_thread_id"
        ),
        sa.UniqueConstraint(
            "team_id",
            "channel_id",
            "thread_ts",
            name="uq_conversations_team_id_channel_id_thread_ts",
        ),
    )
    op.create_index(
        "ix_conversations_ready",
        "conversations",
        ["ready_at", "id"],
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_conversations_running",
        "conversations",
        ["owner"],
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )


def _make_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("ts", sa.String(), nullable=False),
        sa.Column("conversation_id", _ROW_ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("edited_ts", sa.String()),
        sa.Column("edits_only", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.Double()),
        sa.Column("client_msg_id", sa.String()),
        sa.Column("author_id", sa.String(), nullable=False),
        sa.Column("author_team_id", sa.String()),
        sa.Column("mentioned", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.Double()),
        sa.Column("outcome", sa.String()),
        sa.Column("outcome_by", sa.String()),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_inbox_conversation_id"
        ),
        sa.PrimaryKeyConstraint("team_id", "channel_id", "ts", name="pk_inbox"),
        sa.UniqueConstraint(
            "conversation_id",
            "author_id",
            "client_msg_id",
            name="uq_inbox_conversation_id_author_id_client_msg_id",
        ),
        sa.UniqueConstraint(
            "conversation_id", "seq", name="uq_inbox_conversation_id_seq"
        ),
    )
    op.create_index(
        "ix_inbox_taken_by_author",
        "inbox",
        ["team_id", "author_id", "taken_at"],
        sqlite_where=sa.text("taken_at IS NOT NULL"),
        postgresql_where=sa.text("taken_at IS NOT NULL"),
    )


def _make_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("conversation_id", _ROW_ID, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_status", sa.String()),
        sa.Column("stop_by", sa.String()),
        sa.Column("error", sa.String()),
        sa.Column("blocked_by", sa.String()),
        sa.Column("claimed_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_turns_conversation_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
    )
    op.create_index("ix_turns_conversation_id", "turns", ["conversation_id"])


def _make_history() -> None:
    op.create_table(
        "thread_items",
        sa.Column("assistant_thread_id", _ROW_ID, nullable=False),
        sa.Column("turn_id", _ROW_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("author_id", sa.String()),
        sa.Column("ts", sa.String()),
        sa.Column("item", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assistant_thread_id"],
            ["assistant_threads.id"],
            name="fk_thread_items_assistant_thread_id",
        ),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name="fk_thread_items_turn_id"
        ),
        sa.PrimaryKeyConstraint(
            "assistant_thread_id", "turn_id", "position", name="pk_thread_items"
        ),
    )
    op.create_index(
        "ix_thread_items_by_ts",
        "thread_items",
        ["assistant_thread_id", "ts"],
        sqlite_where=sa.text("ts IS NOT NULL"),
        postgresql_where=sa.text("ts IS NOT NULL"),
    )


def _make_replies() -> None:
    op.create_table(
        "reply_parts",
        sa.Column("turn_id", _ROW_ID, nullable=False),
        sa.Column("part_no", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("post_key", sa.String(), nullable=False),
        sa.Column("ts", sa.String()),
        sa.Column("start_offset", sa.Integer(), nullable=False),
        sa.Column("end_offset", sa.Integer()),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name="fk_reply_parts_turn_id"
        ),
        sa.PrimaryKeyConstraint("turn_id", "part_no", name="pk_reply_parts"),
    )
    op.create_table(
        "data_messages",
        sa.Column("turn_id", _ROW_ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("caused_by", sa.String()),
        sa.Column("part_no", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name="fk_data_messages_turn_id"
        ),
        sa.PrimaryKeyConstraint("turn_id", "seq", name="pk_data_messages"),
    )


def _make_tools() -> None:
    op.create_table(
        "tool_calls",
        sa.Column("turn_id", _ROW_ID, nullable=False),
        sa.Column("pass_no", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("result", sa.Text()),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name="fk_tool_calls_turn_id"
        ),
        sa.PrimaryKeyConstraint("turn_id", "pass_no", "call_id", name="pk_tool_calls"),
    )
    op.create_table(
        "rooms",
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("temperature", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "room", name="pk_rooms"),
    )
    op.create_table(
        "room_changes",
        sa.Column("turn_id", _ROW_ID, nullable=False),
        sa.Column("pass_no", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("team_id", sa.String(), nullable=False),
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("old", sa.Double(), nullable=False),
        sa.Column("new", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["turns.id"], name="fk_room_changes_turn_id"
        ),
        sa.PrimaryKeyConstraint(
            "turn_id", "pass_no", "call_id", name="pk_room_changes"
        ),
    )


def _make_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
