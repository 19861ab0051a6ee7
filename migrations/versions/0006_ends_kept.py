"""How a turn has ended, and what is shown of it, are kept until people have it.

A turn can go on after its end: `end_position` is where the items begin that its end
has written, so that they can be taken back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("ending", sa.Text),
    ("end_position", sa.Integer),
    ("text_so_far", sa.Text),
    ("continues_turn_id", sa.BigInteger),
    ("asked_by", sa.String),
)


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column("turns", sa.Column(name, kind()))


def downgrade() -> None:
    for name, _ in reversed(_COLUMNS):
        op.drop_column("turns", name)
