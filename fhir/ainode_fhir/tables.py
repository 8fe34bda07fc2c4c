"""Tables of the FHIR store, for SQLite and PostgreSQL; the node's migrations create them from ``metadata``."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

NO_DATE = str(-(2**62))
"""Before every date, in microseconds since 1970-01-01 UTC."""

resource_table = Table(
    "fhir_resource",
    metadata,
    Column("type", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False, comment="from 1, as in ETag"),
    Column("last_updated", BigInteger, nullable=False, comment="microseconds since 1970-01-01 UTC"),
    Column("current", Boolean, nullable=False, comment="whether this is the newest version"),
    Column("deleted", Boolean, nullable=False),
    Column("content", Text, nullable=False, comment="JSON without meta.versionId and meta.lastUpdated"),
    Column(
        "status", String(64), nullable=False, server_default="", comment="to search and sort by; empty when it has none"
    ),
    Column("date", BigInteger, nullable=False, server_default=NO_DATE, comment="to sort by: when it was done"),
    Column("issued", BigInteger, nullable=False, server_default=NO_DATE, comment="to sort by: when it was released"),
    Index("fhir_resource_newest", "type", "current", "last_updated", "id"),
    Index("fhir_resource_status", "type", "current", "status", "last_updated", "id"),
    Index("fhir_resource_date", "type", "current", "date", "id"),
    Index("fhir_resource_history", "type", "last_updated", "id", "version"),
)
"""Every version of every resource."""

index_table = Table(
    "fhir_index",
    metadata,
    Column("row", _ROW_ID, primary_key=True, autoincrement=True),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("parameter", String(64), nullable=False, comment="name of the search parameter"),
    Column("system", Text, nullable=False, comment="of a token; empty when it has none"),
    Column("value", Text, nullable=False, comment="code, identifier value, or Type/id of a reference"),
    Column("low", BigInteger, comment="of a date: first microsecond since 1970-01-01 UTC"),
    Column("high", BigInteger, comment="of a date: first microsecond after it"),
    Index("fhir_index_value", "type", "parameter", "value", "id"),
    Index("fhir_index_low", "type", "parameter", "low"),
    Index("fhir_index_resource", "type", "id", "parameter", "value"),
)
"""What searches look at: the current versions only."""
