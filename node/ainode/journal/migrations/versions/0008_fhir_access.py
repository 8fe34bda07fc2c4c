"""Tables of access tokens, of used assertions, and of the record of access to FHIR."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "fhir_token",
        sa.Column("sha256", sa.String(64), nullable=False, comment="of the access token, which is kept nowhere"),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False, comment="seconds since 1970-01-01 UTC"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="seconds since 1970-01-01 UTC"),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index(op.f("ix_fhir_token_expires_at"), "fhir_token", ["expires_at"], unique=False)
    op.create_table(
        "fhir_assertion",
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("jti_sha256", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="seconds since 1970-01-01 UTC"),
        sa.PrimaryKeyConstraint("client", "jti_sha256"),
    )
    op.create_index(op.f("ix_fhir_assertion_expires_at"), "fhir_assertion", ["expires_at"], unique=False)
    _audit()


def _audit() -> None:
    op.create_table(
        "fhir_audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False, comment="microseconds since 1970-01-01 UTC"),
        sa.Column("event", sa.String(32), nullable=False, comment="read, search-type, ..., token, introspect"),
        sa.Column("agent", sa.String(128), nullable=False, comment="client or key; empty for anybody"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False, comment="of the HTTP answer"),
        sa.Column("outcome", sa.String(2), nullable=False, comment="0, 4 or 8"),
        sa.Column("entity", sa.String(160), nullable=False, comment="Type or Type/id"),
        sa.Column(
            "patient", sa.String(160), nullable=False, comment="Patient/id that it was about, as far as it was said"
        ),
        sa.Column("query", sa.Text(), nullable=False, comment="of a search, as it was written"),
        sa.Column("detail", sa.Text(), nullable=False, comment="why it was refused, or the scopes that were granted"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("fhir_audit_recorded", "fhir_audit", ["recorded", "id"], unique=False)
    for column in ("agent", "entity", "patient", "outcome"):
        op.create_index(f"fhir_audit_{column}", "fhir_audit", [column, "recorded", "id"], unique=False)
