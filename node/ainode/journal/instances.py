"""Journal of the stored instances: a row is written before ``Success`` is answered."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from ainode.journal.database import insert_into, insert_new
from ainode.journal.tables import instances, studies
from ainode.journal.usable import is_indexed


@dataclass(frozen=True)
class StoredInstance:
    """One object in the spool."""

    sop_instance_uid: str
    sha256: str
    path: str
    """Relative to the spool folder."""
    bytes: int
    source: str
    """``C-STORE <AE title>``, ``STOW-RS <address>``, ``REST upload <address>`` or ``archive <name>``."""
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
    patient: str | None
    contested: bool = False
    """Whether the study holds a different object under its SOP Instance UID, too; only ``of_study`` says so."""


@dataclass(frozen=True)
class Place:
    """Where a stored object belongs."""

    row: int
    """Its row in the journal."""
    study: str
    series: str
    sop_class: str
    patient: str | None = None
    """Digest of its PatientID."""


@dataclass(frozen=True)
class SecondCopy:
    """A stored object that came before, with another head."""

    row: int
    of: int
    """The row that is used instead of it."""


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
        patient=sa.bindparam("patient"),
    )
)
_REFUSE = (
    instances.update().where(instances.c.id == sa.bindparam("row")).values(state="refused", reason=sa.bindparam("why"))
)


class InstanceJournal:
    """Rows of ``instances``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float], *, newest: bool = True) -> None:
        """``newest``: of objects with one SOP Instance UID the newest is used, else the first."""
        self._engine = engine
        self._clock = clock
        self._newest = newest
        # SQLite has one writer at a time and lets the others sleep for milliseconds; a lock wakes them at once.
        self._turn = threading.Lock()
        # Made once: building it takes longer than writing the row.
        insertion = insert_into(engine, instances)
        self._store = insertion.on_conflict_do_update(
            index_elements=["sop_instance_uid", "sha256"],
            set_={"state": "stored", "reason": None, "received_at": insertion.excluded.received_at},
            where=sa.or_(instances.c.state == "refused", _has_rival()),
        )

    def stored(self, batch: Sequence[StoredInstance]) -> None:
        """Record objects that are safe on disk; committed when this returns.

        A known object is no new row. One that was refused is looked at again: its file may have been lost, and this
        is the copy that was asked for. So is one of those that share a UID: it has become the newest.
        """
        now = self._clock()
        rows = [vars(item) | {"received_at": item.received_at or now, "state": "stored"} for item in batch]
        with self._turn, self._engine.begin() as connection:
            connection.execute(self._store, rows)

    def to_index(self, limit: int = 500) -> list[InstanceRow]:
        """Objects whose header was not read yet, oldest first."""
        return self._rows(instances.c.state == "stored", limit)

    def rivals(self, rows: Sequence[InstanceRow]) -> dict[str, list[InstanceRow]]:
        """By SOP Instance UID, the usable objects beside ``rows`` that have the UID of one of them."""
        found: dict[str, list[InstanceRow]] = {}
        uids = sa.and_(is_indexed(), instances.c.sop_instance_uid.in_({r.sop_instance_uid for r in rows}))
        for row in self._rows(uids, None):
            found.setdefault(row.sop_instance_uid, []).append(row)
        return found

    def settle(self, places: Sequence[Place], refusals: Sequence[Refusal], copies: Sequence[SecondCopy] = ()) -> None:
        """Record where objects belong, and that their studies changed; of others, why they are not used."""
        if not places and not refusals and not copies:
            return
        with self._turn, self._engine.begin() as connection:
            if places:
                connection.execute(_PLACE, [vars(place) for place in places])
            if refusals:
                connection.execute(_REFUSE, [vars(refusal) for refusal in refusals])
            for copy in copies:
                _settle_copy(connection, copy)
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
        """Usable objects of one study, in the order of arrival; of a SOP Instance UID only one."""
        rows = self._rows(sa.and_(instances.c.study_uid == study_uid, is_indexed()), None)
        rows.sort(key=lambda row: row.received_at, reverse=not self._newest)
        counts = Counter(row.sop_instance_uid for row in rows)
        used = {row.sop_instance_uid: replace(row, contested=counts[row.sop_instance_uid] > 1) for row in rows}
        return sorted(used.values(), key=lambda row: row.id)

    def conflicts(self, limit: int = 100) -> list[InstanceRow]:
        """Usable objects that share SOP Instance UID and study with another, and differ from it."""
        same = (instances.c.study_uid, instances.c.sop_instance_uid)
        shared = sa.select(*same).where(is_indexed()).group_by(*same).having(sa.func.count() > 1)
        return self._rows(sa.and_(sa.tuple_(*same).in_(shared), is_indexed()), limit)

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


def _has_rival() -> sa.ColumnElement[bool]:
    """Whether another usable object has the same SOP Instance UID."""
    rival = instances.alias()
    # As text, for SQLAlchemy would name the table of the statement in the subquery, too, and so mean any row of it.
    same_uid = rival.c.sop_instance_uid == sa.literal_column("instances.sop_instance_uid")
    other_file = rival.c.sha256 != sa.literal_column("instances.sha256")
    return sa.exists().where(same_uid, other_file, is_indexed(rival))


def _settle_copy(connection: sa.Connection, copy: SecondCopy) -> None:
    row = instances.c.id == copy.row
    came = sa.select(instances.c.received_at).where(row).scalar_subquery()
    connection.execute(instances.update().where(instances.c.id == copy.of).values(received_at=came))
    reason = f"same data set as instance {copy.of}"
    connection.execute(instances.update().where(row).values(state="copy", reason=reason))
