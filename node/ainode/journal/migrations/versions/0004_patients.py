"""Which instances are of one patient."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add it; of instances that came before it stays unknown."""
    op.add_column("instances", sa.Column("patient", sa.String(length=64), nullable=True))
