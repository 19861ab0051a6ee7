"""Tokens of a budget that are promised before they have grown."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "rate_budgets",
        sa.Column("owed", sa.Double, nullable=False, server_default="0"),
    )


def downgrade() -> None:
    op.drop_column("rate_budgets", "owed")
