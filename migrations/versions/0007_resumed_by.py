"""A click may ask that an answer goes on while people are still told of its end."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("resumed_by", sa.String()))


def downgrade() -> None:
    op.drop_column("turns", "resumed_by")
