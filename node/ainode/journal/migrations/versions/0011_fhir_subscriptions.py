"""Tables of subscriptions to FHIR, and of the events that they are still to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "fhir_subscription",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="from 1; raised by each PUT"),
        sa.Column(
            "last_updated",
            sa.BigInteger(),
            nullable=False,
            comment="microseconds since 1970-01-01 UTC, as all times here",
        ),
        sa.Column("owner", sa.String(128), nullable=False, comment="client or key that made it"),
        sa.Column("owner_kind", sa.String(16), nullable=False, comment="client or key"),
        sa.Column("scopes", sa.Text(), nullable=False, comment="that it was made with"),
        sa.Column("type", sa.String(64), nullable=False, comment="of the resources that it is about"),
        sa.Column("content", sa.Text(), nullable=False, comment="JSON without id, meta, status and error"),
        sa.Column("status", sa.String(16), nullable=False, comment="requested, active, error or off"),
        sa.Column("error", sa.Text(), nullable=False, comment="why it is in error or off; empty otherwise"),
        sa.Column("events", sa.Integer(), nullable=False, comment="number of the last event"),
        sa.Column("sent", sa.Integer(), nullable=False, comment="number of the last event that was taken"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("failing_since", sa.BigInteger(), nullable=False, comment="0 when it does not"),
        sa.Column("due", sa.BigInteger(), nullable=False, comment="nothing is sent before"),
        sa.Column(
            "heartbeat", sa.BigInteger(), nullable=False, comment="microseconds between two notifications; 0 for none"
        ),
        sa.Column("spoke", sa.BigInteger(), nullable=False, comment="when the last notification was taken"),
        sa.Column("ends", sa.BigInteger(), nullable=False, comment="0 for never"),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("owner", "type"):
        op.create_index(op.f(f"ix_fhir_subscription_{column}"), "fhir_subscription", [column], unique=False)
    op.create_table(
        "fhir_subscription_event",
        sa.Column("subscription", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="from 1, without gaps"),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when the version was written"),
        sa.PrimaryKeyConstraint("subscription", "number"),
    )
