"""Journal of what humans decided about results: nothing in it is ever changed, the last review of a run counts."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from ainode.journal.deliveries import deliver_again
from ainode.journal.tables import reviews, runs
from ainode_fhir.review import Review, Reviewer, Struck, Verdict
from ainode_models.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReviewDraft:
    """A verdict before it is written down."""

    run_id: str
    verdict: Verdict
    reviewer: Reviewer
    via: str
    """Name of the key that was shown, or the command line."""
    reason: str = ""
    comment: str = ""
    struck: tuple[Struck, ...] = ()


@dataclass(frozen=True)
class ReviewRow:
    """A review, and whether the FHIR resources say so yet."""

    id: int
    review: Review
    via: str
    state: str
    """``pending``, ``applied`` or ``failed``."""
    trouble: str | None
    """Why it failed."""


class ReviewJournal:
    """Rows of ``reviews``; one transaction per call."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, draft: ReviewDraft) -> ReviewRow:
        """Write a review down; InputError when the run has no result that a human may still decide about.

        That is a finished run which no later one replaces, or one that a human accepted before: this result stands.
        """
        # First a write: nobody else may replace the run, or review it, until this is done.
        mine = runs.update().where(runs.c.run_id == draft.run_id).values(rule=runs.c.rule)
        with self._engine.begin() as connection:
            connection.execute(mine)
            run = connection.execute(
                sa.select(runs.c.state, runs.c.superseded_by).where(runs.c.run_id == draft.run_id)
            ).first()
            last = _last(connection, draft.run_id)
            if run is None or run.state != "finished":
                raise InputError("the run has no result, as it did not end well or has not ended")
            if run.superseded_by and not (last and last.review.stands):
                raise InputError(f"run {run.superseded_by} on more images replaces it; review that one")
            row = {
                "run_id": draft.run_id,
                "number": last.review.number + 1 if last else 1,
                "verdict": draft.verdict,
                "reviewer_system": draft.reviewer.system,
                "reviewer_value": draft.reviewer.value,
                "reviewer_name": draft.reviewer.name,
                "reason": draft.reason,
                "comment": draft.comment,
                "struck": [asdict(item) for item in draft.struck],
                "via": draft.via,
                "reviewed_at": self._clock(),
                "state": "pending",
            }
            connection.execute(reviews.insert().values(row))
            written = _last(connection, draft.run_id)
        assert written
        return written

    def of_run(self, run_id: str) -> list[ReviewRow]:
        """Reviews of one run, the first first."""
        return self._rows(reviews.c.run_id == run_id)

    def last(self, run_id: str) -> ReviewRow | None:
        """The review of a run that counts."""
        with self._engine.connect() as connection:
            return _last(connection, run_id)

    def standing(self, run_ids: Sequence[str]) -> list[Review]:
        """Of each of the runs whose result a human answers for, the review."""
        last = (row for run_id in run_ids if (row := self.last(run_id)))
        return [row.review for row in last if row.review.stands]

    def pending(self) -> list[ReviewRow]:
        """Reviews that the FHIR resources do not show yet, oldest first."""
        return self._rows(reviews.c.state == "pending")

    def applied(self, row: ReviewRow, destinations: Collection[str]) -> None:
        """The resources say so; those of ``destinations`` that were to get the result are to get this, too."""
        with self._engine.begin() as connection:
            done = connection.execute(_pending(row).values(state="applied"))
            if done.rowcount:
                deliver_again(connection, row.review.run_id, destinations, self._clock())

    def failed(self, row: ReviewRow, trouble: str) -> None:
        """The resources cannot say so, and why."""
        with self._engine.begin() as connection:
            connection.execute(_pending(row).values(state="failed", trouble=trouble))

    def _rows(self, condition: sa.ColumnElement[bool]) -> list[ReviewRow]:
        query = sa.select(reviews).where(condition).order_by(reviews.c.id)
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(query).mappings()]


def _pending(row: ReviewRow) -> sa.Update:
    return reviews.update().where(reviews.c.id == row.id, reviews.c.state == "pending")


def _last(connection: sa.Connection, run_id: str) -> ReviewRow | None:
    query = sa.select(reviews).where(reviews.c.run_id == run_id).order_by(reviews.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return _row(row) if row else None


def _row(row: sa.RowMapping) -> ReviewRow:
    review = Review(
        run_id=row["run_id"],
        number=row["number"],
        verdict=row["verdict"],
        reviewer=Reviewer(row["reviewer_system"], row["reviewer_value"], row["reviewer_name"]),
        reviewed_at=datetime.fromtimestamp(row["reviewed_at"], UTC),
        reason=row["reason"],
        comment=row["comment"],
        struck=tuple(Struck(**item) for item in row["struck"]),
    )
    return ReviewRow(row["id"], review, row["via"], row["state"], row["trouble"])
