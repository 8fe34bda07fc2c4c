"""Which runs are about earlier studies of a patient, as far as the journal knows: their reports say the rest."""

import sqlalchemy as sa

from ainode.journal.runs import ResultRow, RunRow
from ainode.journal.tables import instances, results, runs, study_headers
from ainode.journal.usable import is_indexed


class PriorJournal:
    """Reads ``runs``, ``results``, ``study_headers`` and ``instances``."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def reports(self, run: RunRow, patient_id: str) -> list[ResultRow]:
        """Reports of the finished, not superseded runs of the same model on other studies of a patient.

        The newest study comes first, and of one study the newest run. None when the study of ``run`` names two
        patients by PatientID, and none of a study that does.
        """
        query = (
            sa.select(results)
            .join(runs, runs.c.run_id == results.c.run_id)
            .join(study_headers, study_headers.c.study_uid == runs.c.study_uid)
            .where(
                results.c.kind == "SR",
                runs.c.model == run.model,
                runs.c.study_uid != run.study_uid,
                runs.c.state == "finished",
                runs.c.superseded_by.is_(None),
                study_headers.c.patient_id == patient_id,
                _patients(runs.c.study_uid) == 1,
                _patients(sa.literal(run.study_uid)) == 1,
            )
            .order_by(study_headers.c.study_date.desc(), study_headers.c.study_time.desc(), runs.c.finished_at.desc())
        )
        with self._engine.connect() as connection:
            return [ResultRow(**row) for row in connection.execute(query).mappings()]


def _patients(study_uid: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """How many patients the images of a study name."""
    mine = sa.and_(instances.c.study_uid == study_uid, is_indexed())
    return sa.select(sa.func.count(instances.c.patient.distinct())).where(mine).scalar_subquery()
