"""Tables of the FHIR store."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "fhir_index",
        sa.Column("row", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("parameter", sa.String(length=64), nullable=False, comment="name of the search parameter"),
        sa.Column("system", sa.Text(), nullable=False, comment="of a token; empty when it has none"),
        sa.Column("value", sa.Text(), nullable=False, comment="code, identifier value, or Type/id of a reference"),
        sa.Column("low", sa.BigInteger(), nullable=True, comment="of a date: first microsecond since 1970-01-01 UTC"),
        sa.Column("high", sa.BigInteger(), nullable=True, comment="of a date: first microsecond after it"),
        sa.PrimaryKeyConstraint("row"),
    )
    op.create_index("fhir_index_low", "fhir_index", ["type", "parameter", "low"], unique=False)
    op.create_index("fhir_index_resource", "fhir_index", ["type", "id"], unique=False)
    op.create_index("fhir_index_value", "fhir_index", ["type", "parameter", "value"], unique=False)
    op.create_table(
        "fhir_resource",
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False, comment="from 1, as in ETag"),
        sa.Column("last_updated", sa.BigInteger(), nullable=False, comment="microseconds since 1970-01-01 UTC"),
        sa.Column("current", sa.Boolean(), nullable=False, comment="whether this is the newest version"),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False, comment="JSON without meta.versionId and meta.lastUpdated"),
        sa.PrimaryKeyConstraint("type", "id", "version"),
    )
    op.create_index("fhir_resource_newest", "fhir_resource", ["type", "current", "last_updated", "id"], unique=False)
