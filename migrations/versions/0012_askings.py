"""Retry and Continue, which count among what somebody has asked within the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "askings",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("team_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_askings"),
    )
    op.create_index(
        "ix_askings_by_person", "askings", ["team_id", "user_id", "asked_at"]
    )


def downgrade() -> None:
    op.drop_table("askings")
