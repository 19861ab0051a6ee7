"""Turns know how many tokens they took.

The columns may be empty and nobody has to fill them, so that older processes go on
beside newer ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("input_tokens", "cached_tokens", "output_tokens")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("turns", sa.Column(name, sa.BigInteger()))


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.drop_column("turns", name)
