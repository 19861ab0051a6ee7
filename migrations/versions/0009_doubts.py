"""A turn may wait for a person's decision, without a process that holds it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("doubt", sa.Text),
    ("doubt_no", sa.Integer),
    ("decided_no", sa.Integer),
    ("decided_by", sa.String),
)


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column("turns", sa.Column(name, kind()))
    op.add_column("conversations", sa.Column("wake_at", sa.Double()))
    op.create_index(
        "ix_conversations_suspended",
        "conversations",
        ["wake_at"],
        sqlite_where=sa.text("state = 'suspended'"),
        postgresql_where=sa.text("state = 'suspended'"),
    )


def downgrade() -> None:
    op.drop_index("ix_conversations_suspended", "conversations")
    op.drop_column("conversations", "wake_at")
    for name, _ in reversed(_COLUMNS):
        op.drop_column("turns", name)
