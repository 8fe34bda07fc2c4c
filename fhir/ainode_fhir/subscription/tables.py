"""Tables of subscriptions and of their events; the node's migrations create them from ``metadata``."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

metadata = MetaData()

subscription_table = Table(
    "fhir_subscription",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False, comment="from 1; raised by each PUT"),
    Column("last_updated", BigInteger, nullable=False, comment="microseconds since 1970-01-01 UTC, as all times here"),
    Column("owner", String(128), nullable=False, index=True, comment="client or key that made it"),
    Column("owner_kind", String(16), nullable=False, comment="client or key"),
    Column("scopes", Text, nullable=False, comment="that it was made with"),
    Column("type", String(64), nullable=False, index=True, comment="of the resources that it is about"),
    Column("content", Text, nullable=False, comment="JSON without id, meta, status and error"),
    Column("status", String(16), nullable=False, comment="requested, active, error or off"),
    Column("error", Text, nullable=False, comment="why it is in error or off; empty otherwise"),
    Column("events", Integer, nullable=False, comment="number of the last event"),
    Column("sent", Integer, nullable=False, comment="number of the last event that was taken"),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("failing_since", BigInteger, nullable=False, comment="0 when it does not"),
    Column("due", BigInteger, nullable=False, comment="nothing is sent before"),
    Column("heartbeat", BigInteger, nullable=False, comment="microseconds between two notifications; 0 for none"),
    Column("spoke", BigInteger, nullable=False, comment="when the last notification was taken"),
    Column("ends", BigInteger, nullable=False, comment="0 for never"),
)
"""Subscriptions, with how far each has come."""

event_table = Table(
    "fhir_subscription_event",
    metadata,
    Column("subscription", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="from 1, without gaps"),
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", BigInteger, nullable=False, comment="when the version was written"),
)
"""Events that were not taken yet: versions of the store."""
