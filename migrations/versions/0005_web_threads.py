"""Conversations may live elsewhere than in Slack: at a place of the web surface.

Every conversation that is here already, or that an older process still adds, is one
of Slack's and has no such place.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "conversations",
        sa.Column("surface", sa.String(), nullable=False, server_default="slack"),
    )
    op.add_column("conversations", sa.Column("place", sa.String()))
    op.create_index(
        "ix_conversations_place",
        "conversations",
        ["team_id", "surface", "place"],
        unique=True,
        sqlite_where=sa.text("place IS NOT NULL"),
        postgresql_where=sa.text("place IS NOT NULL"),
    )
    op.add_column("inbox", sa.Column("held_by", sa.String()))


def downgrade() -> None:
    op.drop_column("inbox", "held_by")
    op.drop_index("ix_conversations_place", "conversations")
    op.drop_column("conversations", "place")
    op.drop_column("conversations", "surface")
