"""What Slack's methods may be called with, shared by all processes and kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ANY = sa.JSON().with_variant(JSONB, "postgresql")


def upgrade() -> None:
    op.create_table(
        "rate_budgets",
        sa.Column("team_id", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("rate", sa.Double, nullable=False),
        sa.Column("burst", sa.Double, nullable=False),
        sa.Column("refused_at", sa.Double, nullable=False),
        sa.Column("tokens", sa.Double, nullable=False),
        sa.Column("as_of", sa.Double, nullable=False),
        sa.Column("blocked_until", sa.Double, nullable=False),
        sa.Column("saved_until", sa.Double, nullable=False),
        sa.Column("calls", _ANY, nullable=False),
        sa.Column("holders", _ANY, nullable=False),
        sa.PrimaryKeyConstraint("team_id", "method", name="pk_rate_budgets"),
    )


def downgrade() -> None:
    op.drop_table("rate_budgets")
