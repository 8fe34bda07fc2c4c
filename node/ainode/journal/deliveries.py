"""The outbox: one row for each result and destination."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from ainode.journal.database import insert_new
from ainode.journal.tables import deliveries, instances, runs

_NO_PATIENT = hashlib.sha256(b"").hexdigest()
"""What ``instances.patient`` says of an image without PatientID."""


@dataclass(frozen=True)
class DeliveryRow:
    """One result on its way to one destination."""

    id: int
    run_id: str
    destination: str
    state: str
    """``pending``, ``delivered``, ``dead`` or ``superseded``."""
    attempts: int
    next_at: float
    reason: str | None
    created_at: float
    delivered_at: float | None
    version: int = 1
    """Of the result; an attempt ends only the delivery of the version that it was about."""


class DeliveryJournal:
    """Rows of ``deliveries``; one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def due(self, destination: str, *, in_order: bool = False) -> list[DeliveryRow]:
        """Pending deliveries to ``destination`` whose next attempt has come, the one that waits for it longest first.

        ``in_order``: of each patient only the oldest, as long as it is pending.
        """
        mine = sa.and_(deliveries.c.destination == destination, deliveries.c.state == "pending")
        if in_order:
            mine = sa.and_(mine, deliveries.c.id.in_(_first_of_each_patient(mine)))
        return self._rows(sa.and_(mine, deliveries.c.next_at <= self._clock()), deliveries.c.next_at, deliveries.c.id)

    def all(self, limit: int = 100) -> list[DeliveryRow]:
        """The newest deliveries, newest first."""
        return self._rows(sa.true(), deliveries.c.id.desc(), limit=limit)

    def of_run(self, run_id: str) -> list[DeliveryRow]:
        """Deliveries of one run."""
        return self._rows(deliveries.c.run_id == run_id, deliveries.c.id)

    def delivered(self, row: DeliveryRow) -> None:
        """The destination showed the result."""
        values = {"state": "delivered", "reason": None, "delivered_at": self._clock()}
        self._update(row, values | {"attempts": row.attempts + 1})

    def retry(self, row: DeliveryRow, reason: str, wait: float) -> None:
        """Try again after ``wait`` seconds."""
        self._update(row, {"attempts": row.attempts + 1, "reason": reason, "next_at": self._clock() + wait})

    def dead(self, row: DeliveryRow, reason: str) -> None:
        """Give up, and keep why."""
        values = {"state": "dead", "attempts": row.attempts + 1, "reason": reason}
        with self._engine.begin() as connection:  # a result that was replaced meanwhile is not to be mended
            connection.execute(deliveries.update().where(_is(row), deliveries.c.state == "pending").values(values))

    def replay(self, delivery_id: int) -> bool:
        """Put a delivery that is not pending back in the outbox; whether there was one.

        The result of a run that was replaced stays where it is: nobody is to read it any more.
        """
        values = {"state": "pending", "attempts": 0, "next_at": self._clock(), "created_at": self._clock()}
        replaced = sa.select(runs.c.run_id).where(runs.c.superseded_by.is_not(None))
        with self._engine.begin() as connection:
            done = connection.execute(
                deliveries.update()
                .where(deliveries.c.id == delivery_id, deliveries.c.state != "pending")
                .where(deliveries.c.run_id.not_in(replaced))
                .values(values)
            )
        return bool(done.rowcount)

    def post(self, run_id: str, destinations: Collection[str]) -> None:
        """Have the first version of what there is of a run sent; where it is known already, nothing changes."""
        with self._engine.begin() as connection:
            for name in destinations:
                insert_new(connection, deliveries, first_delivery(run_id, name, self._clock()))

    def post_cancelled(self, run_id: str) -> None:
        """Those who got the first version of a run that has no other are to get that there will be none, once."""
        with self._engine.begin() as connection:
            first = sa.and_(deliveries.c.run_id == run_id, deliveries.c.version == 1)
            told = connection.scalars(sa.select(deliveries.c.destination).where(first)).all()
            deliver_again(connection, run_id, told, self._clock())

    def _update(self, row: DeliveryRow, values: Mapping[str, object]) -> None:
        with self._engine.begin() as connection:
            connection.execute(deliveries.update().where(_is(row)).values(values))

    def _rows(
        self, condition: sa.ColumnElement[bool], *order: sa.ColumnElement[float], limit: int | None = None
    ) -> list[DeliveryRow]:
        query = sa.select(deliveries).where(condition).order_by(*order).limit(limit)
        with self._engine.connect() as connection:
            return [DeliveryRow(**row) for row in connection.execute(query).mappings()]


def deliver_again(connection: sa.Connection, run_id: str, destinations: Collection[str], now: float) -> None:
    """There is a new version of the result of a run: those of ``destinations`` that were meant to get it get this, too.

    What was on its way goes on with the new version; a result that was replaced before it was sent stays where it is.
    """
    values: dict[str, object] = {"state": "pending", "attempts": 0, "reason": None, "next_at": now, "created_at": now}
    values["version"] = deliveries.c.version + 1
    mine = sa.and_(deliveries.c.run_id == run_id, deliveries.c.destination.in_(destinations))
    connection.execute(deliveries.update().where(mine, deliveries.c.state != "superseded").values(values))


def first_delivery(run_id: str, destination: str, now: float) -> dict[str, object]:
    """Row of the first version of a result for one destination."""
    row: dict[str, object] = {"run_id": run_id, "destination": destination, "state": "pending", "attempts": 0}
    return row | {"next_at": now, "created_at": now}


def _is(row: DeliveryRow) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.id == row.id, deliveries.c.version == row.version)


def _first_of_each_patient(mine: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    """Ids of the oldest deliveries; a study whose patient is not known is a patient of its own.

    One image says whose a study is, as there may be many.
    """
    known = sa.and_(instances.c.study_uid == runs.c.study_uid, instances.c.patient != _NO_PATIENT)
    patient = sa.select(instances.c.patient).where(known).limit(1).scalar_subquery()
    pending = (
        sa.select(deliveries.c.id, sa.func.coalesce(patient, runs.c.study_uid).label("patient"))
        .join(runs, runs.c.run_id == deliveries.c.run_id)
        .where(mine)
        .subquery()
    )
    return sa.select(sa.func.min(pending.c.id)).group_by(pending.c.patient)
