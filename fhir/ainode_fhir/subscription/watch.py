"""Notes events, in the transaction that writes the version: what is stored is noted, whenever the node is killed."""

from sqlalchemy import Connection, insert, literal, select, update

from ainode_fhir.outcome import FhirProblem
from ainode_fhir.query import Query
from ainode_fhir.selection import circumstances, conditions
from ainode_fhir.stored import Stored
from ainode_fhir.subscription.subscription import Subscription
from ainode_fhir.subscription.tables import event_table, subscription_table
from ainode_fhir.subscription.wanted import criteria_of, queries
from ainode_fhir.tables import resource_table

_ROW = subscription_table.c
LISTENING = ("active", "error")
"""States in which events are noted."""


def note_event(connection: Connection, stored: Stored, base_url: str) -> None:
    """Note a new version for each subscription that it answers; call it when it is in the index."""
    if stored.deleted:
        return
    listening = select(subscription_table).where(_ROW.type == stored.kind, _ROW.status.in_(LISTENING))
    for row in connection.execute(listening.order_by(_ROW.id)).mappings().all():
        subscription = Subscription.of(row)
        if subscription.ends and stored.last_updated >= subscription.ends:
            continue
        try:
            _note(connection, subscription, stored, base_url)
        except FhirProblem as problem:  # an earlier version of this server took it: results come before subscribers
            ended = update(subscription_table).where(_ROW.id == subscription.id)
            connection.execute(ended.values(status="off", error=str(problem)))


def _note(connection: Connection, subscription: Subscription, stored: Stored, base_url: str) -> None:
    kind, filters = criteria_of(subscription.resource)
    if not all(_answers(connection, stored, query, base_url) for query in queries(kind, filters)):
        return
    # Counted by the database, whose lock on the row gives each event of two writers a number of its own.
    raised = update(subscription_table).where(_ROW.id == subscription.id).values(events=_ROW.events + 1)
    number = connection.execute(raised.returning(_ROW.events)).scalar()
    if number is not None:  # it was deleted meanwhile
        event = {"number": number, "type": stored.kind, "id": stored.id, "version": stored.version}
        connection.execute(insert(event_table).values(subscription=subscription.id, at=stored.last_updated, **event))


def _answers(connection: Connection, stored: Stored, query: Query, base_url: str) -> bool:
    given = circumstances(query, base_url=base_url, now=stored.last_updated)
    here = select(literal(1)).where(resource_table.c.type == query.kind, resource_table.c.id == stored.id)
    return connection.execute(here.where(conditions(query, given))).first() is not None
