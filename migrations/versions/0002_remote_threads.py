"""Threads and runs that an assistant's server keeps are known by their ids there.

The columns may be empty and nobody has to fill them, so that older processes go on
beside newer ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assistant_threads", sa.Column("api", sa.String()))
    op.add_column("assistant_threads", sa.Column("remote_id", sa.String()))
    op.add_column("assistant_threads", sa.Column("told_turn_id", sa.BigInteger()))
    op.add_column("turns", sa.Column("remote_run_id", sa.String()))


def downgrade() -> None:
    op.drop_column("turns", "remote_run_id")
    op.drop_column("assistant_threads", "told_turn_id")
    op.drop_column("assistant_threads", "remote_id")
    op.drop_column("assistant_threads", "api")
