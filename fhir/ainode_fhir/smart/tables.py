"""Tables of access tokens and of the record of access; the node's migrations create them from ``metadata``."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

token_table = Table(
    "fhir_token",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the access token, which is kept nowhere"),
    Column("client", String(128), nullable=False),
    Column("scope", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False, comment="seconds since 1970-01-01 UTC"),
    Column("expires_at", BigInteger, nullable=False, index=True, comment="seconds since 1970-01-01 UTC"),
)
"""Access tokens, until some time after they end."""

assertion_table = Table(
    "fhir_assertion",
    metadata,
    Column("client", String(128), primary_key=True),
    Column("jti_sha256", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True, comment="seconds since 1970-01-01 UTC"),
)
"""Assertions that were used, until they are not accepted any more anyhow."""

audit_table = Table(
    "fhir_audit",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("recorded", BigInteger, nullable=False, comment="microseconds since 1970-01-01 UTC"),
    Column("event", String(32), nullable=False, comment="read, search-type, ..., token, introspect"),
    Column("agent", String(128), nullable=False, comment="client or key; empty for anybody"),
    Column("address", Text, nullable=False),
    Column("status", Integer, nullable=False, comment="of the HTTP answer"),
    Column("outcome", String(2), nullable=False, comment="0, 4 or 8"),
    Column("entity", String(160), nullable=False, comment="Type or Type/id"),
    Column("patient", String(160), nullable=False, comment="Patient/id that it was about, as far as it was said"),
    Column("query", Text, nullable=False, comment="of a search, as it was written"),
    Column("detail", Text, nullable=False, comment="why it was refused, or the scopes that were granted"),
    Index("fhir_audit_recorded", "recorded", "id"),
    Index("fhir_audit_agent", "agent", "recorded", "id"),
    Index("fhir_audit_entity", "entity", "recorded", "id"),
    Index("fhir_audit_patient", "patient", "recorded", "id"),
    Index("fhir_audit_outcome", "outcome", "recorded", "id"),
)
"""The record of access, a table of its own: what is written a hundred times a second is neither versioned nor indexed
as reports are."""
