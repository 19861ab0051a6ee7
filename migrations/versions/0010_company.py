"""That a second person has joined a thread, kept until one answer has said so."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("joined", sa.Boolean))


def downgrade() -> None:
    op.drop_column("inbox", "joined")
