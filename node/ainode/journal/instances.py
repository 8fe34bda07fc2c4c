"""Journal of the stored instances: a row is written before ``Success`` is answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ainode.journal.database import insert_new
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


@dataclass(frozen=True)
class InstanceRow(StoredInstance):
    """One object in the spool, with what the journal knows of it."""

    id: int
    received_at: float
    state: str
    reason: str | None
    sop_class_uid: str | None
    study_uid: str | None
    series_uid: str | None


class InstanceJournal:
    """Rows of ``instances``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def stored(self, batch: Sequence[StoredInstance]) -> None:
        """Record objects that are safe on disk; committed when this returns.

        A known object is no new row. One that was refused is looked at again: its file may have been lost, and this
        is the copy that was asked for.
        """
        again = {"state": "stored", "reason": None}
        with self._engine.begin() as connection:
            for item in batch:
                row = vars(item) | {"received_at": self._clock(), "state": "stored"}
                if not insert_new(connection, instances, row):
                    same = sa.and_(
                        instances.c.sop_instance_uid == item.sop_instance_uid, instances.c.sha256 == item.sha256
                    )
                    connection.execute(instances.update().where(same, instances.c.state == "refused").values(again))

    def to_index(self, limit: int = 500) -> list[InstanceRow]:
        """Objects whose header was not read yet, oldest first."""
        return self._rows(instances.c.state == "stored", limit)

    def indexed(self, row_id: int, *, study_uid: str, series_uid: str, sop_class_uid: str) -> None:
        """Record where the object belongs, and that its study changed."""
        now = self._clock()
        with self._engine.begin() as connection:
            connection.execute(
                instances.update()
                .where(instances.c.id == row_id)
                .values(state="indexed", study_uid=study_uid, series_uid=series_uid, sop_class_uid=sop_class_uid)
            )
            fresh = {"state": "receiving", "reason": "receiving", "changed_at": now, "check_at": now}
            new = insert_new(connection, studies, fresh | {"study_uid": study_uid, "first_received_at": now})
            if not new:
                connection.execute(
                    studies.update().where(studies.c.study_uid == study_uid).values(fresh | {"complete_at": None})
                )

    def refused(self, row_id: int, reason: str) -> None:
        """Keep the object, but say why it cannot be used."""
        with self._engine.begin() as connection:
            connection.execute(
                instances.update().where(instances.c.id == row_id).values(state="refused", reason=reason)
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
