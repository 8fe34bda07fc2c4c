"""Journal of orders that came by HL7 v2: the newest state of each, and whether the FHIR store shows it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ainode.journal.tables import orders
from ainode_fhir.order import Number, Order

_NO_TIME = 0.0


@dataclass(frozen=True)
class OrderRow:
    """One order."""

    id: int
    order: Order
    previous: Order | None
    """As the FHIR store shows it, where that is another state."""
    sent_at: float
    changed_at: float
    version: int
    shown: bool


class OrderJournal:
    """Rows of ``orders``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()

    def keep(self, sent: Sequence[Order], at: str) -> None:
        """Record what one message of the time ``at`` (FHIR dateTime or empty) says; committed when this returns.

        An order that is known is changed, unless the message is older than what is known: a queue that is sent again
        must not undo a cancellation.
        """
        with self._lock, self._engine.begin() as connection:
            for order in sent:
                self._keep(connection, order, _seconds(at))

    def matching(self, *, study_uid: str, accession: Number, patient: Number) -> Order | None:
        """The order that a study was made for.

        Of several the one with its Study Instance UID comes first, then one that was not cancelled, then the newest.
        """
        with self._engine.connect() as connection:
            rows = _rows(connection, _about(study_uid, accession.value))
        fitting = [row for row in rows if row.order.fits(study_uid=study_uid, accession=accession, patient=patient)]
        best = max(
            fitting,
            key=lambda row: (row.order.study_uid == study_uid, row.order.status != "revoked", row.changed_at, row.id),
            default=None,
        )
        return best.order if best else None

    def look_again(self, *, study_uid: str, accession: str) -> None:
        """Have the orders that may be those of a study shown once more."""
        with self._lock, self._engine.begin() as connection:
            again = {"shown": False, "version": orders.c.version + 1}
            connection.execute(orders.update().where(_about(study_uid, accession)).values(again))

    def unshown(self) -> OrderRow | None:
        """An order that the FHIR store does not show yet."""
        with self._engine.connect() as connection:
            found = _rows(connection, ~orders.c.shown, most=1)
        return found[0] if found else None

    def shown(self, row: OrderRow) -> None:
        """The FHIR store has what ``row`` says."""
        same = sa.and_(orders.c.id == row.id, orders.c.version == row.version)
        with self._lock, self._engine.begin() as connection:
            connection.execute(orders.update().where(same).values(shown=True, previous=None))

    def forget(self, seconds: float) -> None:
        """Delete the orders that were not changed for so long."""
        with self._lock, self._engine.begin() as connection:
            connection.execute(orders.delete().where(orders.c.changed_at < self._clock() - seconds))

    def all(self) -> list[OrderRow]:
        """Every order, oldest first."""
        with self._engine.connect() as connection:
            return _rows(connection, sa.true())

    def _keep(self, connection: sa.Connection, order: Order, sent_at: float) -> None:
        known = _known(connection, order)
        if known is None:
            values = _values(order) | {"sent_at": sent_at, "changed_at": self._clock(), "version": 1, "shown": False}
            connection.execute(orders.insert().values(values))
            return
        if sent_at and sent_at < known.sent_at:
            return
        values = _values(order.over(known.order))
        values |= {"sent_at": sent_at or known.sent_at, "changed_at": self._clock()}
        previous = known.order if known.shown else known.previous
        values |= {"version": known.version + 1, "shown": False, "previous": previous.as_json() if previous else None}
        connection.execute(orders.update().where(orders.c.id == known.id).values(values))


def _known(connection: sa.Connection, order: Order) -> OrderRow | None:
    """The row of the same order: the same placer number, else filler number, else accession number of one patient."""
    if order.placer.value:
        rows = _rows(connection, orders.c.placer_number == order.placer.value)
        for row in rows:
            if row.order.placer.is_same(order.placer):
                return row
    if order.filler.value:
        rows = _rows(connection, orders.c.filler_number == order.filler.value)
        for row in rows:
            one = not (row.order.placer.value and order.placer.value)
            if one and row.order.filler.is_same(order.filler):
                return row
    if order.placer.value or order.filler.value:
        return None
    rows = _rows(connection, orders.c.accession_number == order.accession.value)
    alike = (row for row in rows if row.order.accession.is_same(order.accession))
    return next((row for row in alike if any(row.order.is_of(patient) for patient in order.patients)), None)


def _about(study_uid: str, accession: str) -> sa.ColumnElement[bool]:
    numbered = sa.and_(orders.c.accession_number == accession, orders.c.accession_number != "")
    return sa.or_(numbered, sa.and_(orders.c.study_uid == study_uid, orders.c.study_uid != ""))


def _rows(connection: sa.Connection, which: sa.ColumnElement[bool], *, most: int | None = None) -> list[OrderRow]:
    wanted = sa.select(orders).where(which).order_by(orders.c.id).limit(most)
    return [
        OrderRow(
            id=row["id"],
            order=Order.from_json(row["content"]),
            previous=Order.from_json(row["previous"]) if row["previous"] else None,
            sent_at=row["sent_at"],
            changed_at=row["changed_at"],
            version=row["version"],
            shown=row["shown"],
        )
        for row in connection.execute(wanted).mappings()
    ]


def _values(order: Order) -> dict[str, object]:
    return {
        "placer_number": order.placer.value,
        "filler_number": order.filler.value,
        "accession_number": order.accession.value,
        "study_uid": order.study_uid,
        "content": order.as_json(),
    }


def _seconds(at: str) -> float:
    """Seconds since 1970-01-01 UTC of a dateTime with a zone, else none."""
    return datetime.fromisoformat(at).timestamp() if "T" in at else _NO_TIME
