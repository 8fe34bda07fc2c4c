"""Journal of the stored instances: a row is written before ``Success`` is answered."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ainode.journal.database import insert_into, insert_new
from ainode.journal.tables import instances, studies


@dataclass(frozen=True)
class StoredInstance:
    """One object in the spool."""

    sop_instance_uid: str
    sha256: str
    path: str
    """Relative to the spool folder."""
    bytes: int
    source: str
    """``C-STORE <AE title>`` or ``archive <name>``."""
    received_at: float | None = None
    """None for now."""


@dataclass(frozen=True, kw_only=True)
class InstanceRow(StoredInstance):
    """One object in the spool, with what the journal knows of it."""

    id: int
    received_at: float
    state: str
    reason: str | None
    sop_class_uid: str | None
    study_uid: str | None
    series_uid: str | None


@dataclass(frozen=True)
class Place:
    """Where a stored object belongs."""

    row: int
    """Its row in the journal."""
    study: str
    series: str
    sop_class: str


@dataclass(frozen=True)
class Refusal:
    """Why a stored object cannot be used."""

    row: int
    why: str


_PLACE = (
    instances.update()
    .where(instances.c.id == sa.bindparam("row"))
    .values(
        state="indexed",
        study_uid=sa.bindparam("study"),
        series_uid=sa.bindparam("series"),
        sop_class_uid=sa.bindparam("sop_class"),
    )
)
_REFUSE = (
    instances.update().where(instances.c.id == sa.bindparam("row")).values(state="refused", reason=sa.bindparam("why"))
)


class InstanceJournal:
    """Rows of ``instances``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        # SQLite has one writer at a time and lets the others sleep for milliseconds; a lock wakes them at once.
        self._turn = threading.Lock()
        # Made once: building it takes longer than writing the row.
        insertion = insert_into(engine, instances)
        self._store = insertion.on_conflict_do_update(
            index_elements=["sop_instance_uid", "sha256"],
            set_={"state": "stored", "reason": None},
            where=instances.c.state == "refused",
        )

    def stored(self, batch: Sequence[StoredInstance]) -> None:
        """Record objects that are safe on disk; committed when this returns.

        A known object is no new row. One that was refused is looked at again: its file may have been lost, and this
        is the copy that was asked for.
        """
        now = self._clock()
        rows = [vars(item) | {"received_at": item.received_at or now, "state": "stored"} for item in batch]
        with self._turn, self._engine.begin() as connection:
            connection.execute(self._store, rows)

    def to_index(self, limit: int = 500) -> list[InstanceRow]:
        """Objects whose header was not read yet, oldest first."""
        return self._rows(instances.c.state == "stored", limit)

    def settle(self, places: Sequence[Place], refusals: Sequence[Refusal]) -> None:
        """Record where objects belong, and that their studies changed; of others, why they cannot be used."""
        if not places and not refusals:
            return
        with self._turn, self._engine.begin() as connection:
            if places:
                connection.execute(_PLACE, [vars(place) for place in places])
            if refusals:
                connection.execute(_REFUSE, [vars(refusal) for refusal in refusals])
            for study_uid in {place.study for place in places}:
                self._touch(connection, study_uid)

    def _touch(self, connection: sa.Connection, study_uid: str) -> None:
        now = self._clock()
        fresh = {"state": "receiving", "reason": "receiving", "changed_at": now, "check_at": now}
        new = insert_new(connection, studies, fresh | {"study_uid": study_uid, "first_received_at": now})
        if not new:
            connection.execute(
                studies.update().where(studies.c.study_uid == study_uid).values(fresh | {"complete_at": None})
            )

    def refusals(self, limit: int = 100) -> list[InstanceRow]:
        """Objects that cannot be used, oldest first."""
        return self._rows(instances.c.state == "refused", limit)

    def of_study(self, study_uid: str) -> list[InstanceRow]:
        """Usable objects of one study, in the order of arrival; of a SOP Instance UID only the first."""
        first: dict[str, InstanceRow] = {}
        for row in self._rows(sa.and_(instances.c.study_uid == study_uid, instances.c.state == "indexed"), None):
            first.setdefault(row.sop_instance_uid, row)
        return list(first.values())

    def held(self, sop_instance_uids: Sequence[str], *, study_uid: str | None = None) -> set[str]:
        """Those of ``sop_instance_uids`` that are here and not refused; with ``study_uid``, not in another study.

        A study that was split or copied can hold an image under the UID that it has in the other one, too.
        """
        usable = instances.c.state != "refused"
        if study_uid is not None:
            usable &= sa.or_(instances.c.study_uid.is_(None), instances.c.study_uid == study_uid)
        found: set[str] = set()
        with self._engine.connect() as connection:
            for start in range(0, len(sop_instance_uids), 500):
                part = sop_instance_uids[start : start + 500]
                found |= set(
                    connection.scalars(
                        sa.select(instances.c.sop_instance_uid).where(instances.c.sop_instance_uid.in_(part), usable)
                    )
                )
        return found

    def _rows(self, condition: sa.ColumnElement[bool], limit: int | None) -> list[InstanceRow]:
        query = sa.select(instances).where(condition).order_by(instances.c.id).limit(limit)
        with self._engine.connect() as connection:
            return [InstanceRow(**row) for row in connection.execute(query).mappings()]
