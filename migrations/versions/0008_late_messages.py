"""Messages that came late, the line that says so, and when nobody was there."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("inbox", sa.Column("received_at", sa.Double))
    op.add_column(
        "conversations",
        sa.Column("late_seq", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "late_notes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("team_id", sa.String, nullable=False),
        sa.Column("conversation_id", _ROW_ID, nullable=False),
        sa.Column("post_key", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("owner", sa.String),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("ts", sa.String),
        sa.Column("asked_by", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_late_notes"),
        sa.UniqueConstraint(
            "team_id", "post_key", name="uq_late_notes_team_id_post_key"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_late_notes_conversation_id",
        ),
    )
    op.create_index("ix_late_notes_conversation_id", "late_notes", ["conversation_id"])
    due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_late_notes_due_at",
        "late_notes",
        ["due_at"],
        sqlite_where=due,
        postgresql_where=due,
    )
    op.create_table(
        "absences",
        sa.Column("away_from", sa.Double, nullable=False),
        sa.Column("back_at", sa.Double, nullable=False),
        sa.Column("owner", sa.String),
        sa.Column("caught_up_at", sa.Double),
        sa.PrimaryKeyConstraint("away_from", name="pk_absences"),
    )


def downgrade() -> None:
    op.drop_table("absences")
    op.drop_table("late_notes")
    op.drop_column("conversations", "late_seq")
    op.drop_column("inbox", "received_at")
