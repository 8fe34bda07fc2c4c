"""Which runs are about other studies of a patient, as far as the journal knows: their reports say the rest."""

from typing import Any

import sqlalchemy as sa

from ainode.journal.runs import ResultRow, RunRow
from ainode.journal.tables import instances, results, reviews, runs
from ainode.journal.usable import is_used


class PriorJournal:
    """Reads ``runs``, ``results`` and ``instances``."""

    def __init__(self, engine: sa.Engine, *, newest: bool = True) -> None:
        """``newest``: of objects with one SOP Instance UID the newest is used, else the first."""
        self._engine = engine
        self._used = is_used(newest=newest)

    def reports(self, run: RunRow) -> list[ResultRow]:
        """Reports of the finished, not superseded runs of the same model on other studies, the newest run first.

        Nor those that a human rejected or edited: their reports do not say so. Only of studies whose images name the
        one PatientID that those of the study of ``run`` do; none where these name two.
        """
        with self._engine.connect() as connection:
            who = self._patients(connection, run.study_uid)
            if len(who) != 1:
                return []
            found = connection.execute(self._of_patient(run, next(iter(who)))).mappings().all()
            return [_row(row) for row in found if self._patients(connection, row["study_uid"]) == who]

    def _of_patient(self, run: RunRow, patient: str | None) -> sa.Select[Any]:
        """By one image of each study, as there may be many; whether all of it are of one patient is seen later."""
        image = sa.select(instances.c.patient).where(instances.c.study_uid == runs.c.study_uid, self._used).limit(1)
        return (
            sa.select(results, runs.c.study_uid)
            .join(runs, runs.c.run_id == results.c.run_id)
            .where(
                results.c.kind == "SR",
                runs.c.model == run.model,
                runs.c.study_uid != run.study_uid,
                runs.c.state == "finished",
                runs.c.superseded_by.is_(None),
                ~_is_changed(),
                image.scalar_subquery() == patient,
            )
            .order_by(runs.c.finished_at.desc())
        )

    def _patients(self, connection: sa.Connection, study_uid: str) -> set[str | None]:
        """Digests of each PatientID that the images of a study have."""
        of_study = sa.and_(instances.c.study_uid == study_uid, self._used)
        return set(connection.scalars(sa.select(instances.c.patient).where(of_study).distinct()))


def _is_changed() -> sa.ColumnElement[bool]:
    """Whether the last review of a run says otherwise than its report."""
    later = reviews.alias("later")
    is_last = ~sa.exists().where(later.c.run_id == reviews.c.run_id, later.c.number > reviews.c.number)
    return sa.exists().where(reviews.c.run_id == runs.c.run_id, reviews.c.verdict != "accepted", is_last)


def _row(row: sa.RowMapping) -> ResultRow:
    return ResultRow(**{name: row[name] for name in ResultRow.__dataclass_fields__})
