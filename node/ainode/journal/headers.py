"""Journal of the headers of studies and series, by which DICOMweb searches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ainode.journal.tables import instances, series_headers, studies, study_headers
from ainode.journal.usable import is_indexed, is_used


@dataclass(frozen=True)
class StudyHeader:
    """A study as it is searched for; texts are empty where the header has none."""

    study_uid: str
    changed_at: float
    instance_id: int
    """0 when there is no instance any more."""
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


@dataclass(frozen=True)
class ToRead:
    """Headers that are to be read of one study."""

    study: Unread | None
    """None when the header that stands for the study is known."""
    series: tuple[Unread, ...]
    empty: bool
    """Whether the study has no instance any more."""


class HeaderJournal:
    """Rows of ``study_headers`` and ``series_headers``; thread-safe, one transaction per call."""

    def __init__(self, engine: sa.Engine, *, newest: bool = True) -> None:
        """``newest``: of objects with one SOP Instance UID the newest is used, else the first."""
        self._engine = engine
        self._used = is_used(newest=newest)

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

    def unread(self, study_uid: str) -> ToRead:
        """The instances whose headers stand for the study and for its series, as far as these were not read yet."""
        of_study = sa.and_(instances.c.study_uid == study_uid, self._used)
        first = sa.select(sa.func.min(instances.c.id)).where(of_study).group_by(instances.c.series_uid)
        query = sa.select(instances.c.series_uid, instances.c.id, instances.c.path).where(instances.c.id.in_(first))
        of_series = sa.select(series_headers.c.instance_id).where(series_headers.c.study_uid == study_uid)
        with self._engine.connect() as connection:
            found = [Unread(*row) for row in connection.execute(query.order_by(instances.c.id))]
            known = set(connection.scalars(of_series))
            study = connection.scalar(
                sa.select(study_headers.c.instance_id).where(study_headers.c.study_uid == study_uid)
            )
        return ToRead(
            study=found[0] if found and found[0].instance_id != study else None,
            series=tuple(item for item in found if item.instance_id not in known),
            empty=not found,
        )

    def described(
        self, study_uid: str, changed_at: float, *, study: StudyHeader | None, series: Sequence[SeriesHeader]
    ) -> None:
        """Record the headers that were read, of the study as it was at ``changed_at``; no ``study`` for the same.

        Headers of series that are no longer here go.
        """
        mine = series_headers.c.study_uid == study_uid
        here = sa.select(instances.c.series_uid).where(
            instances.c.study_uid == study_uid, is_indexed(), instances.c.series_uid.is_not(None)
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
