"""Assistant threads may have a thread of their own on the assistant's side.

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


def downgrade() -> None:
    op.drop_column("assistant_threads", "told_turn_id")
    op.drop_column("assistant_threads", "remote_id")
    op.drop_column("assistant_threads", "api")
