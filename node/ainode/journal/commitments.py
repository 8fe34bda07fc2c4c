"""Journal of storage commitment: what peers asked, and whether they were told."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ainode.journal.database import insert_new
from ainode.journal.tables import commitment_instances, commitments, instances


@dataclass(frozen=True, order=True)
class Reference:
    """One instance, as the peer names it."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class CommitmentRequest:
    """One N-ACTION."""

    transaction_uid: str
    calling: str
    """AE title of the peer."""
    address: str
    """IP address that the association came from."""
    references: tuple[Reference, ...]

    @property
    def digest(self) -> str:
        """The same for the same question of the same peer, in whatever order; 64 hexadecimal digits."""
        lines = [self.calling, *(f"{item.sop_class_uid} {item.sop_instance_uid}" for item in sorted(self.references))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class CommitmentRow(CommitmentRequest):
    """One request, and what became of it."""

    id: int
    state: str
    """``pending``, ``reported`` or ``dead``."""
    attempts: int
    next_at: float
    reason: str | None
    created_at: float
    reported_at: float | None


@dataclass(frozen=True)
class Copy:
    """One file under a SOP Instance UID that was not refused."""

    sop_instance_uid: str
    sop_class_uid: str | None
    """None while its header was not read."""
    path: str
    """Relative to the spool folder."""
    bytes: int


class CommitmentJournal:
    """Rows of ``commitments``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def asked(self, request: CommitmentRequest, *, wait: float) -> CommitmentRow:
        """Record a request, to be looked at in ``wait`` seconds; committed when this returns.

        The same request again, from a peer that lost our answer, is the same row, and is reported again.
        """
        now = self._clock()
        fresh = {"state": "pending", "attempts": 0, "next_at": now + wait, "reason": None, "created_at": now}
        fresh |= {"address": request.address, "reported_at": None}
        same = sa.and_(commitments.c.transaction_uid == request.transaction_uid, commitments.c.digest == request.digest)
        asked = [[item.sop_class_uid, item.sop_instance_uid] for item in request.references]
        key = {"transaction_uid": request.transaction_uid, "digest": request.digest}
        row = fresh | key | {"calling": request.calling, "asked": asked}
        with self._engine.begin() as connection:
            new = insert_new(connection, commitments, row)
            if not new:
                connection.execute(commitments.update().where(same).values(fresh))
            kept = _row(connection.execute(sa.select(commitments).where(same)).mappings().one())
            if new and request.references:
                uids = {item.sop_instance_uid for item in request.references}
                pairs = [{"commitment_id": kept.id, "sop_instance_uid": uid} for uid in uids]
                connection.execute(commitment_instances.insert(), pairs)
        return kept

    def due(self) -> CommitmentRow | None:
        """The pending request whose next attempt has come first."""
        come = sa.and_(commitments.c.state == "pending", commitments.c.next_at <= self._clock())
        with self._engine.connect() as connection:
            query = sa.select(commitments).where(come).order_by(commitments.c.next_at).limit(1)
            found = connection.execute(query).mappings().first()
        return _row(found) if found else None

    def all(self) -> list[CommitmentRow]:
        """Every request, oldest first."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(commitments).order_by(commitments.c.id)).mappings()
            return [_row(row) for row in found]

    def is_duplicate(self, row: CommitmentRow) -> bool:
        """Whether an earlier request, which was another one, had the same Transaction UID."""
        earlier = sa.and_(commitments.c.transaction_uid == row.transaction_uid, commitments.c.id < row.id)
        with self._engine.connect() as connection:
            return connection.execute(sa.select(commitments.c.id).where(earlier)).first() is not None

    def copies(self, sop_instance_uids: Sequence[str]) -> dict[str, list[Copy]]:
        """What is held of ``sop_instance_uids`` and was not refused."""
        found: dict[str, list[Copy]] = {}
        columns = [instances.c[name] for name in Copy.__dataclass_fields__]
        with self._engine.connect() as connection:
            for start in range(0, len(sop_instance_uids), 500):
                part = sop_instance_uids[start : start + 500]
                usable = sa.and_(instances.c.sop_instance_uid.in_(part), instances.c.state != "refused")
                for row in connection.execute(sa.select(*columns).where(usable)).mappings():
                    found.setdefault(row["sop_instance_uid"], []).append(Copy(**row))
        return found

    def reported(self, row: CommitmentRow) -> None:
        """The peer confirmed the report."""
        values = {"state": "reported", "reason": None, "reported_at": self._clock()}
        self._update(row, values | {"attempts": row.attempts + 1})

    def retry(self, row: CommitmentRow, reason: str, wait: float) -> None:
        """Try again after ``wait`` seconds."""
        self._update(row, {"attempts": row.attempts + 1, "reason": reason, "next_at": self._clock() + wait})

    def at_once(self, row: CommitmentRow) -> None:
        """Have the report sent on an association of its own, now."""
        self._update(row, {"next_at": self._clock()})

    def dead(self, row: CommitmentRow, reason: str) -> None:
        """Give up, and keep why."""
        self._update(row, {"state": "dead", "attempts": row.attempts + 1, "reason": reason})

    def _update(self, row: CommitmentRow, values: Mapping[str, object]) -> None:
        """Change the row, unless the peer asked again since."""
        same = sa.and_(commitments.c.id == row.id, commitments.c.created_at == row.created_at)
        with self._engine.begin() as connection:
            connection.execute(commitments.update().where(same).values(values))


def _row(row: sa.RowMapping) -> CommitmentRow:
    values = {name: row[name] for name in CommitmentRow.__dataclass_fields__ if name != "references"}
    return CommitmentRow(**values, references=tuple(Reference(*pair) for pair in row["asked"]))
