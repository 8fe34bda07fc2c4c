"""Journal of the studies: whether each one is receiving, waiting, unrouted or routed, and why."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from ainode.journal.database import insert_new
from ainode.journal.tables import archive_studies, deletions, feed_positions, instances, studies

OPEN_STATES = ("receiving", "waiting")
"""States in which a study is looked at again by itself; a new instance puts any study back to receiving."""


@dataclass(frozen=True)
class StudyRow:
    """One study and what the node is doing about it."""

    study_uid: str
    state: str
    reason: str
    first_received_at: float
    changed_at: float
    complete_at: float | None
    check_at: float


class StudyJournal:
    """Rows of ``studies``, ``archive_studies`` and ``feed_positions``; one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def due(self) -> list[StudyRow]:
        """Open studies whose next check has come, longest unchanged first.

        One that changed in the future, because the clock was set back since, need not wait until then.
        """
        now = self._clock()
        come = sa.or_(studies.c.check_at <= now, studies.c.changed_at > now)
        return self._rows(sa.and_(studies.c.state.in_(OPEN_STATES), come))

    def next_check(self) -> float | None:
        """When the next open study is to be looked at; None when there is none."""
        query = sa.select(sa.func.min(studies.c.check_at)).where(studies.c.state.in_(OPEN_STATES))
        with self._engine.connect() as connection:
            due: float | None = connection.scalar(query)
        return due

    def open(self) -> list[StudyRow]:
        """Studies that have no run for their present instances: receiving, waiting or unrouted."""
        return self._rows(studies.c.state.not_in(("routed", "deleted")))

    def get(self, study_uid: str) -> StudyRow | None:
        """The row of one study."""
        rows = self._rows(studies.c.study_uid == study_uid)
        return rows[0] if rows else None

    def settle(self, seen: StudyRow, state: str, reason: str, *, check_in: float = 0.0) -> bool:
        """Record the verdict on ``seen``, unless an instance came since; whether it was recorded."""
        now = self._clock()
        values: dict[str, object] = {"state": state, "reason": reason, "check_at": now + check_in}
        if state == "routed":
            values["complete_at"] = now
        with self._engine.begin() as connection:
            done = connection.execute(
                studies.update()
                .where(studies.c.study_uid == seen.study_uid, studies.c.changed_at == seen.changed_at)
                .values(values)
            )
        return bool(done.rowcount)

    def reopen(self, study_uid: str) -> bool:
        """Have a study looked at again, as it is now, whatever of it was deleted; whether the node holds it."""
        values = {"state": "receiving", "reason": "to be looked at again", "check_at": self._clock()}
        held = sa.and_(studies.c.study_uid == study_uid, studies.c.state != "deleted")
        with self._engine.begin() as connection:
            done = connection.execute(studies.update().where(held).values(values))
            if done.rowcount:
                connection.execute(
                    deletions.delete().where(deletions.c.study_uid == study_uid, deletions.c.gone_at.is_not(None))
                )
        return bool(done.rowcount)

    def lacking(self, study_uid: str) -> int:
        """How many instances of the study were deleted here and did not come again."""
        here = sa.exists().where(
            instances.c.study_uid == study_uid, instances.c.sop_instance_uid == deletions.c.sop_instance_uid
        )
        query = sa.select(sa.func.count(deletions.c.sop_instance_uid.distinct())).where(
            deletions.c.study_uid == study_uid, ~here
        )
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def touched(self, archive: str, study_uids: tuple[str, ...], position: str) -> None:
        """Record, in one transaction, which studies an archive changed and how far its feed was read."""
        now = self._clock()
        with self._engine.begin() as connection:
            for uid in study_uids:
                row = {"archive": archive, "study_uid": uid, "touched_at": now}
                if not insert_new(connection, archive_studies, row):
                    connection.execute(
                        archive_studies.update()
                        .where(archive_studies.c.archive == archive, archive_studies.c.study_uid == uid)
                        .values(touched_at=now, fetched_at=None)
                    )
            if not insert_new(connection, feed_positions, {"archive": archive, "position": position}):
                connection.execute(
                    feed_positions.update().where(feed_positions.c.archive == archive).values(position=position)
                )

    def position(self, archive: str) -> str:
        """How far the archive's feed was read; empty at first."""
        query = sa.select(feed_positions.c.position).where(feed_positions.c.archive == archive)
        with self._engine.connect() as connection:
            return connection.scalar(query) or ""

    def to_fetch(self, archive: str, *, settled: float) -> list[tuple[str, float]]:
        """Studies not fetched since they changed, ``settled`` seconds ago at least: UID and time of the change."""
        now, touched = self._clock(), archive_studies.c.touched_at
        query = (
            sa.select(archive_studies.c.study_uid, touched)
            .where(archive_studies.c.archive == archive, archive_studies.c.fetched_at.is_(None))
            .where(sa.or_(touched <= now - settled, touched > now))  # the clock may have been set back since
            .order_by(archive_studies.c.touched_at)
        )
        with self._engine.connect() as connection:
            return [(row.study_uid, row.touched_at) for row in connection.execute(query)]

    def fetching(self, study_uid: str) -> set[str]:
        """Archives that changed the study and from which it was not fetched since."""
        query = sa.select(archive_studies.c.archive).where(
            archive_studies.c.study_uid == study_uid, archive_studies.c.fetched_at.is_(None)
        )
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def fetched(self, archive: str, study_uid: str, touched_at: float) -> None:
        """Record that the study was fetched as it was at ``touched_at``; a later change stays to fetch."""
        with self._engine.begin() as connection:
            connection.execute(
                archive_studies.update()
                .where(
                    archive_studies.c.archive == archive,
                    archive_studies.c.study_uid == study_uid,
                    archive_studies.c.touched_at == touched_at,
                )
                .values(fetched_at=self._clock(), reason="")
            )

    def fetch_problem(self, archive: str, study_uid: str, reason: str) -> None:
        """Record why a study could not be fetched; it stays to fetch."""
        with self._engine.begin() as connection:
            connection.execute(
                archive_studies.update()
                .where(archive_studies.c.archive == archive, archive_studies.c.study_uid == study_uid)
                .values(reason=reason)
            )

    def fetch_problems(self) -> list[tuple[str, str, str]]:
        """Archive, study and reason of every fetch that is failing."""
        query = sa.select(archive_studies.c.archive, archive_studies.c.study_uid, archive_studies.c.reason).where(
            archive_studies.c.reason != "", archive_studies.c.fetched_at.is_(None)
        )
        with self._engine.connect() as connection:
            return [(row.archive, row.study_uid, row.reason) for row in connection.execute(query)]

    def _rows(self, condition: sa.ColumnElement[bool]) -> list[StudyRow]:
        query = sa.select(studies).where(condition).order_by(studies.c.changed_at)
        with self._engine.connect() as connection:
            return [StudyRow(**row) for row in connection.execute(query).mappings()]
