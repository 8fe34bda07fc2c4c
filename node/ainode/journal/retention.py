"""Journal of what is deleted: first given up, together with its rows, then removed from the disk, and remembered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ainode.journal.database import insert_new
from ainode.journal.tables import (
    archive_studies,
    commitment_instances,
    commitments,
    deletions,
    deliveries,
    instances,
    runs,
    series_headers,
    studies,
    study_headers,
)

_DAY_S = 86400.0
_FINISHED = ("routed", "unrouted")


@dataclass(frozen=True)
class Candidate:
    """A study of which nothing is needed any more."""

    study_uid: str
    state: str
    changed_at: float
    bytes: int
    """Of its files in the spool."""
    paths: tuple[str, ...]
    """The files, relative to the spool folder."""


@dataclass(frozen=True)
class Deletion:
    """One file, or folder of results, that was given up and is still there."""

    id: int
    study_uid: str
    """Empty for an object that could not be used."""
    sop_instance_uid: str | None
    """None for results."""
    area: str
    """``spool`` or ``results``."""
    path: str
    """Relative to the folder of the area."""
    bytes: int
    marked_at: float


class RetentionJournal:
    """Rows of ``deletions``, and what speaks against a deletion; one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float], *, committed_days: float) -> None:
        self._engine = engine
        self._clock = clock
        self._committed_days = committed_days

    def finished(self, *, before: float, but: Sequence[str] = (), limit: int = 20) -> list[Candidate]:
        """Studies that were routed or wanted by no rule, and of which nothing happened since; the oldest first."""
        ready = sa.and_(studies.c.state.in_(_FINISHED), studies.c.study_uid.not_in(but), self._untouched(before))
        query = sa.select(studies.c.study_uid, studies.c.state, studies.c.changed_at).where(ready)
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(studies.c.changed_at).limit(limit)).all()
            return [_candidate(connection, *row) for row in found]

    def give_up(self, candidate: Candidate, *, before: float, reason: str) -> bool:
        """Take a study out of the journal, and note its files; False when it is needed again meanwhile."""
        now = self._clock()
        uid = candidate.study_uid
        with self._engine.begin() as connection:
            # First a write: nobody else writes then, or changes this study, until all of it is done.
            done = connection.execute(
                studies.update()
                .where(studies.c.study_uid == uid, studies.c.state == candidate.state)
                .where(studies.c.changed_at == candidate.changed_at, self._untouched(before))
                .values(state="deleted", reason=reason, changed_at=now)
            )
            if not done.rowcount:
                return False
            _bury(connection, _of_study(uid), now, study_uid=uid)
            for table in (study_headers, series_headers):  # patient data that nothing here stands for any more
                connection.execute(table.delete().where(table.c.study_uid == uid))
            for run_id in connection.scalars(sa.select(runs.c.run_id).where(runs.c.study_uid == uid)).all():
                connection.execute(
                    deletions.insert().values(study_uid=uid, area="results", path=run_id, bytes=0, marked_at=now)
                )
        return True

    def give_up_refused(self, *, before: float, limit: int = 500) -> int:
        """The same with objects that could not be used and came before that time; how many."""
        old = sa.and_(
            instances.c.state == "refused",
            instances.c.received_at < before,
            ~self._committed(sa.and_(instances.c.sop_instance_uid == commitment_instances.c.sop_instance_uid)),
        )
        with self._engine.begin() as connection:
            ids = connection.scalars(sa.select(instances.c.id).where(old).limit(limit)).all()
            if ids:
                _bury(connection, sa.and_(instances.c.id.in_(ids), instances.c.state == "refused"), self._clock())
        return len(ids)

    def given_up(self, *, before: float, limit: int = 500) -> list[Deletion]:
        """What was given up before that time and is still there, oldest first."""
        columns = [deletions.c[name] for name in Deletion.__dataclass_fields__]
        waiting = sa.and_(deletions.c.gone_at.is_(None), deletions.c.marked_at < before)
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(*columns).where(waiting).order_by(deletions.c.id).limit(limit))
            return [Deletion(**row) for row in found.mappings()]

    def waiting_bytes(self) -> int:
        """Bytes that were given up and are still on the disk."""
        query = sa.select(sa.func.sum(deletions.c.bytes)).where(deletions.c.gone_at.is_(None))
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def restore_needed(self) -> int:
        """Take back the studies of which something is needed again since they were given up; how many.

        What began just before the give-up committed, and was not seen by it, is seen here.
        """
        query = sa.select(deletions.c.study_uid).where(deletions.c.gone_at.is_(None)).distinct()
        with self._engine.connect() as connection:
            uids = [uid for uid in connection.scalars(query) if uid and self._needed(connection, uid)]
        for uid in uids:
            self._restore(uid)
        return len(uids)

    def _needed(self, connection: sa.Connection, study_uid: str) -> bool:
        """Whether a run, a delivery or a commitment came since; whatever ended before the give-up does not count."""
        asked = sa.exists().where(
            deletions.c.study_uid == study_uid,
            deletions.c.sop_instance_uid == commitment_instances.c.sop_instance_uid,
        )
        since = sa.and_(asked, self._promised())
        committed = sa.select(commitments.c.id).where(commitments.c.id == commitment_instances.c.commitment_id, since)
        return any(
            connection.execute(query.limit(1)).first()
            for query in (
                sa.select(runs.c.run_id).where(runs.c.study_uid == study_uid, _unfinished()),
                sa.select(deliveries.c.id).where(
                    deliveries.c.run_id == runs.c.run_id, runs.c.study_uid == study_uid, deliveries.c.state == "pending"
                ),
                committed,
            )
        )

    def _restore(self, study_uid: str) -> None:
        mine = sa.and_(deletions.c.study_uid == study_uid, deletions.c.gone_at.is_(None))
        again = {"state": "receiving", "reason": "to be looked at again", "check_at": self._clock()}
        again["changed_at"] = self._clock()  # its rows have other numbers now
        with self._engine.begin() as connection:
            for row in connection.scalars(sa.select(deletions.c.row).where(mine)).all():
                if row:
                    insert_new(connection, instances, row)
            connection.execute(deletions.delete().where(mine))
            connection.execute(
                studies.update().where(studies.c.study_uid == study_uid, studies.c.state == "deleted").values(again)
            )

    def is_held(self, item: Deletion) -> bool:
        """Whether the journal knows a file of the spool: it came again, or another row shares it.

        Only one that was, or will be, refused shares a file under another UID.
        """
        same = (instances.c.sop_instance_uid == item.sop_instance_uid, instances.c.state.in_(("stored", "refused")))
        with self._engine.connect() as connection:
            queries = (sa.select(instances.c.id).where(each, instances.c.path == item.path) for each in same)
            return any(connection.execute(query).first() for query in queries)

    def postpone(self, item: Deletion) -> None:
        """Look at it again later."""
        self._update([item.id], {"marked_at": self._clock()})

    def gone(self, items: Sequence[Deletion]) -> None:
        """They are no longer on the disk, or belong to the journal again. That they were there is remembered."""
        self._update([item.id for item in items], {"gone_at": self._clock(), "row": None})

    def _update(self, ids: Sequence[int], values: dict[str, object]) -> None:
        with self._engine.begin() as connection:
            connection.execute(deletions.update().where(deletions.c.id.in_(ids)).values(values))

    def _untouched(self, before: float) -> sa.ColumnElement[bool]:
        """No run, delivery, fetch or promise of a study is open, and nothing came or ended since ``before``."""
        mine = runs.c.study_uid == studies.c.study_uid
        ran = sa.exists().where(mine, sa.or_(_unfinished(), runs.c.finished_at >= before))
        delivering = sa.exists().where(
            mine,
            deliveries.c.run_id == runs.c.run_id,
            sa.or_(deliveries.c.state.in_(("pending", "dead")), deliveries.c.delivered_at >= before),
        )
        fetching = sa.exists().where(
            archive_studies.c.study_uid == studies.c.study_uid, archive_studies.c.fetched_at.is_(None)
        )
        promised = self._committed(
            sa.and_(
                instances.c.study_uid == studies.c.study_uid,
                instances.c.sop_instance_uid == commitment_instances.c.sop_instance_uid,
            )
        )
        came = sa.exists().where(instances.c.study_uid == studies.c.study_uid, instances.c.received_at >= before)
        return sa.and_(studies.c.changed_at < before, ~came, ~ran, ~delivering, ~fetching, ~promised)

    def _committed(self, which: sa.ColumnElement[bool]) -> sa.Exists:
        """Whether a peer asked for the commitment of ``which`` instances, and we keep our word still."""
        return sa.exists().where(which, commitments.c.id == commitment_instances.c.commitment_id, self._promised())

    def _promised(self) -> sa.ColumnElement[bool]:
        if not self._committed_days:
            return sa.true()
        since = sa.func.coalesce(commitments.c.reported_at, commitments.c.created_at)
        return since >= self._clock() - self._committed_days * _DAY_S


def _candidate(connection: sa.Connection, study_uid: str, state: str, changed_at: float) -> Candidate:
    files = sa.select(instances.c.path, instances.c.bytes).where(_of_study(study_uid))
    held = connection.execute(files).all()
    size = sum(item.bytes for item in held)
    return Candidate(study_uid, state, changed_at, size, tuple(item.path for item in held))


def _of_study(study_uid: str) -> sa.ColumnElement[bool]:
    """Instances of a study, and second copies of them, which belong to none."""
    other = instances.alias()
    uids = sa.select(other.c.sop_instance_uid).where(other.c.study_uid == study_uid)
    copy = sa.and_(instances.c.state == "copy", instances.c.sop_instance_uid.in_(uids))
    return sa.or_(instances.c.study_uid == study_uid, copy)


def _unfinished() -> sa.ColumnElement[bool]:
    return runs.c.state.in_(("queued", "running"))


def _bury(connection: sa.Connection, which: sa.ColumnElement[bool], now: float, study_uid: str = "") -> None:
    """Move rows of ``instances`` to ``deletions``."""
    rows = connection.execute(sa.select(instances).where(which)).mappings().all()
    for row in rows:
        kept = {name: value for name, value in row.items() if name != "id"}
        connection.execute(
            deletions.insert().values(
                study_uid=study_uid,
                sop_instance_uid=row["sop_instance_uid"],
                area="spool",
                path=row["path"],
                bytes=row["bytes"],
                row=kept,
                marked_at=now,
            )
        )
    if rows:
        connection.execute(
            instances.delete().where(instances.c.id == sa.bindparam("row_id")), [{"row_id": row["id"]} for row in rows]
        )
