"""Tables of retention, and of which instances were asked to be committed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create them, and fill in what was asked so far."""
    op.create_table(
        "deletions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("area", sa.String(length=16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.JSON(), nullable=True),
        sa.Column("marked_at", sa.Float(), nullable=False),
        sa.Column("gone_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_deletions_study_uid"), "deletions", ["study_uid"], unique=False)
    op.create_index(op.f("ix_deletions_gone_at"), "deletions", ["gone_at"], unique=False)
    op.create_table(
        "commitment_instances",
        sa.Column("commitment_id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("commitment_id", "sop_instance_uid"),
    )
    name = op.f("ix_commitment_instances_sop_instance_uid")
    op.create_index(name, "commitment_instances", ["sop_instance_uid"], unique=False)
    _fill()


def _fill() -> None:
    commitments = sa.table("commitments", sa.column("id"), sa.column("asked", sa.JSON()))
    asked = sa.table("commitment_instances", sa.column("commitment_id"), sa.column("sop_instance_uid"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(commitments)).all():
        uids = {pair[1] for pair in row.asked}
        if uids:
            connection.execute(asked.insert(), [{"commitment_id": row.id, "sop_instance_uid": uid} for uid in uids])
