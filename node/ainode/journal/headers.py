"""Journal of the headers of studies and series, by which DICOMweb searches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ainode.journal.tables import instances, series_headers, studies, study_headers


@dataclass(frozen=True)
class StudyHeader:
    """A study as it is searched for; texts are empty where the header has none."""

    study_uid: str
    changed_at: float
    patient_id: str
    patient_name: str
    """Case-folded, as ``referring_physician``."""
    accession_number: str
    study_date: str
    study_time: str
    study_id: str
    study_description: str
    referring_physician: str
    attributes: dict[str, Any]
    """DICOM JSON (PS3.18 F)."""


@dataclass(frozen=True)
class SeriesHeader:
    """A series as it is searched for; texts are empty where the header has none."""

    study_uid: str
    series_uid: str
    instance_id: int
    modality: str
    series_number: str
    series_description: str
    performed_date: str
    performed_time: str
    scheduled_step_id: str
    requested_procedure_id: str
    attributes: dict[str, Any]
    """DICOM JSON (PS3.18 F)."""


@dataclass(frozen=True)
class Unread:
    """The instance whose header stands for its series."""

    series_uid: str
    instance_id: int
    path: str
    """Relative to the spool folder."""


class HeaderJournal:
    """Rows of ``study_headers`` and ``series_headers``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def changed(self, limit: int) -> list[tuple[str, float]]:
        """Studies whose instances changed since their headers were read, and when."""
        query = (
            sa.select(studies.c.study_uid, studies.c.changed_at)
            .outerjoin(study_headers, study_headers.c.study_uid == studies.c.study_uid)
            .where(study_headers.c.changed_at.is_distinct_from(studies.c.changed_at))
            .order_by(studies.c.changed_at)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [(row.study_uid, row.changed_at) for row in connection.execute(query)]

    def unread(self, study_uid: str) -> tuple[Unread | None, list[Unread]]:
        """The instance whose header stands for the study, and those of the series whose header was not read yet."""
        of_study = sa.and_(instances.c.study_uid == study_uid, instances.c.state == "indexed")
        first = sa.select(sa.func.min(instances.c.id)).where(of_study).group_by(instances.c.series_uid)
        query = sa.select(instances.c.series_uid, instances.c.id, instances.c.path).where(instances.c.id.in_(first))
        known = sa.select(series_headers.c.instance_id).where(series_headers.c.study_uid == study_uid)
        with self._engine.connect() as connection:
            found = [Unread(*row) for row in connection.execute(query.order_by(instances.c.id))]
            read = set(connection.scalars(known))
        return (found[0] if found else None), [item for item in found if item.instance_id not in read]

    def described(
        self, study_uid: str, changed_at: float, *, study: StudyHeader | None, series: Sequence[SeriesHeader]
    ) -> None:
        """Record the headers that were read, of the study as it was at ``changed_at``; no ``study`` for the same.

        Headers of series that are no longer here go.
        """
        mine = series_headers.c.study_uid == study_uid
        here = sa.select(instances.c.series_uid).where(
            instances.c.study_uid == study_uid, instances.c.state == "indexed", instances.c.series_uid.is_not(None)
        )
        with self._engine.begin() as connection:
            connection.execute(series_headers.delete().where(mine, series_headers.c.series_uid.not_in(here)))
            for item in series:
                connection.execute(series_headers.delete().where(mine, series_headers.c.series_uid == item.series_uid))
                connection.execute(series_headers.insert().values(vars(item)))
            row = study_headers.c.study_uid == study_uid
            if study is None:
                connection.execute(study_headers.update().where(row).values(changed_at=changed_at))
                return
            connection.execute(study_headers.delete().where(row))
            connection.execute(study_headers.insert().values(vars(study)))
