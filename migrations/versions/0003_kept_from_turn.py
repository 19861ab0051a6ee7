"""Of a thread grown too long only the newest turns are sent to the model.

The column may be empty and nobody has to fill it, so that older processes go on beside
newer ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assistant_threads", sa.Column("kept_from_turn", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("assistant_threads", "kept_from_turn")
