"""The subscriptions of a node and their events, in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, and_, delete, func, insert, or_, select, update

from ainode_fhir.subscription.subscription import Event, Subscription
from ainode_fhir.subscription.tables import event_table, subscription_table

_ROW = subscription_table.c
_EVENT = event_table.c
_STATED = ("version", "last_updated", "scopes", "type", "content", "status", "error", "heartbeat", "ends")
"""What a PUT changes, beside the end of all trouble."""


class Book:
    """Keeps them; thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, subscription: Subscription) -> None:
        """Keep a new one."""
        with self._engine.begin() as connection:
            connection.execute(insert(subscription_table).values(asdict(subscription)))

    def replace(self, subscription: Subscription) -> bool:
        """Keep what a PUT says of one that is there; its events go on. Whether it was there still."""
        values = {name: getattr(subscription, name) for name in _STATED}
        values |= {"failures": 0, "failing_since": 0, "due": 0}
        changed = update(subscription_table).where(_ROW.id == subscription.id).values(values).returning(_ROW.id)
        with self._engine.begin() as connection:
            return connection.execute(changed).first() is not None

    def remove(self, identity: str) -> None:
        """Forget one, with its events."""
        with self._engine.begin() as connection:
            connection.execute(delete(subscription_table).where(_ROW.id == identity))
            connection.execute(delete(event_table).where(_EVENT.subscription == identity))

    def of_owner(self, kind: str, name: str) -> list[Subscription]:
        """All that a client or key made, by id."""
        return self._found(_ROW.owner_kind == kind, _ROW.owner == name)

    def find(self, identity: str) -> Subscription | None:
        """One; None when there is none."""
        return next(iter(self._found(_ROW.id == identity)), None)

    def due(self, now: int) -> list[Subscription]:
        """Those that something is to be done for at ``now``, microseconds since 1970-01-01 UTC."""
        speaks = or_(
            _ROW.status == "requested",
            _ROW.events > _ROW.sent,
            and_(_ROW.heartbeat > 0, _ROW.spoke + _ROW.heartbeat <= now),
        )
        over = and_(_ROW.ends > 0, _ROW.ends <= now)
        return self._found(_ROW.status != "off", or_(over, and_(_ROW.due <= now, speaks)))

    def events(self, subscription: Subscription, most: int) -> list[Event]:
        """The next ``most`` that were not taken yet, in their order."""
        wanted = select(event_table).where(_EVENT.subscription == subscription.id, _EVENT.number > subscription.sent)
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(_EVENT.number).limit(most)).mappings().all()
        return [Event(row["number"], row["type"], row["id"], row["version"], row["at"]) for row in rows]

    def count(self) -> int:
        """Events that wait."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(event_table)) or 0

    def state(self, subscription: Subscription, **values: Any) -> None:
        """Keep what became of it, unless a PUT has changed it meanwhile."""
        same = and_(_ROW.id == subscription.id, _ROW.version == subscription.version)
        taken = values.get("sent")
        with self._engine.begin() as connection:
            kept = connection.execute(update(subscription_table).where(same).values(values).returning(_ROW.id)).first()
            if kept and taken is not None:
                old = and_(_EVENT.subscription == subscription.id, _EVENT.number <= taken)
                connection.execute(delete(event_table).where(old))

    def _found(self, *conditions: Any) -> list[Subscription]:
        wanted = select(subscription_table).where(*conditions).order_by(_ROW.id)
        with self._engine.connect() as connection:
            rows: Sequence[Any] = connection.execute(wanted).mappings().all()
        return [Subscription.of(row) for row in rows]
