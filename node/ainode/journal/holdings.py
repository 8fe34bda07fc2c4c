"""What the node holds, as DICOMweb asks for it: by the levels of study, series and instance, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ainode.journal.matching import Kind, matches
from ainode.journal.tables import instances, series_headers, study_headers
from ainode.journal.usable import is_indexed, is_used

Level = Literal["study", "series", "instance"]


MODALITIES = "study.modalities"


@dataclass(frozen=True)
class Match:
    """One condition of a search."""

    column: str
    """``study.``, ``series.`` or ``instance.`` and a column of its table; MODALITIES for those of the whole study."""
    kind: Kind
    value: str


@dataclass(frozen=True)
class Window:
    """Part of the matches that is asked for."""

    limit: int
    offset: int


@dataclass(frozen=True)
class Found:
    """One match."""

    study_uid: str
    series_uid: str | None
    sop_instance_uid: str | None
    sop_class_uid: str | None
    path: str | None
    """Of the file of an instance, relative to the spool folder."""
    study: dict[str, Any]
    """Attributes of its study in DICOM JSON."""
    series: dict[str, Any]
    """Attributes of its series in DICOM JSON; empty on the level of studies."""


@dataclass(frozen=True)
class Counts:
    """What is below one study."""

    series: dict[str, int]
    """Instances of each series."""
    modalities: tuple[str, ...]

    @property
    def instances(self) -> int:
        """Instances of the study."""
        return sum(self.series.values())


_TABLES: dict[str, sa.FromClause] = {"study": study_headers, "series": series_headers, "instance": instances}
_STUDY_HERE = sa.exists().where(instances.c.study_uid == study_headers.c.study_uid, is_indexed())
_SERIES_HERE = sa.exists().where(
    instances.c.study_uid == series_headers.c.study_uid,
    instances.c.series_uid == series_headers.c.series_uid,
    is_indexed(),
)
_IN_STUDY = series_headers.c.study_uid == study_headers.c.study_uid


class Holdings:
    """Searches of the journal; thread-safe."""

    def __init__(self, engine: sa.Engine, *, newest: bool = True) -> None:
        """``newest``: of objects with one SOP Instance UID the newest is used, else the first."""
        self._engine = engine
        self._used = is_used(newest=newest)

    def search(self, level: Level, conditions: Sequence[Match], window: Window) -> tuple[list[Found], int]:
        """One page of the matches in a fixed order, and the number of all; InputError for a value that cannot be."""
        query = _query(level, self._used).where(*(_condition(level, item) for item in conditions))
        page = query.order_by(*_ORDERS[level]).limit(window.limit).offset(window.offset)
        with self._engine.connect() as connection:
            rows = [Found(**row) for row in connection.execute(page).mappings()]
            if len(rows) < window.limit and (rows or not window.offset):
                return rows, window.offset + len(rows)
            total = sa.select(sa.func.count()).select_from(query.subquery())
            return rows, connection.scalar(total) or 0

    def counts(self, study_uids: Sequence[str]) -> dict[str, Counts]:
        """What is below each study."""
        of_these = instances.c.study_uid.in_(study_uids)
        images = sa.select(instances.c.study_uid, instances.c.series_uid, sa.func.count()).where(of_these, self._used)
        kinds = sa.select(series_headers.c.study_uid, series_headers.c.series_uid, series_headers.c.modality)
        with self._engine.connect() as connection:
            counted: dict[str, dict[str, int]] = {uid: {} for uid in study_uids}
            for study, series, count in connection.execute(
                images.group_by(instances.c.study_uid, instances.c.series_uid)
            ):
                counted[study][series] = count
            modalities: dict[str, set[str]] = {uid: set() for uid in study_uids}
            for study, series, modality in connection.execute(kinds.where(series_headers.c.study_uid.in_(study_uids))):
                if modality and series in counted[study]:
                    modalities[study].add(modality)
        return {uid: Counts(counted[uid], tuple(sorted(modalities[uid]))) for uid in study_uids}

    def instances(
        self, study_uid: str, series_uid: str | None = None, *, sop_instance_uid: str | None = None
    ) -> list[tuple[str, str, str]]:
        """Series UID, SOP Instance UID and path of each instance below one resource, in the order of arrival."""
        query = sa.select(instances.c.series_uid, instances.c.sop_instance_uid, instances.c.path)
        query = query.where(instances.c.study_uid == study_uid, self._used).order_by(instances.c.id)
        if series_uid is not None:
            query = query.where(instances.c.series_uid == series_uid)
        if sop_instance_uid is not None:
            query = query.where(instances.c.sop_instance_uid == sop_instance_uid)
        with self._engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def _query(level: Level, used: sa.ColumnElement[bool]) -> sa.Select[Any]:
    nothing = sa.null()
    series = level != "study"
    image = level == "instance"
    query = sa.select(
        study_headers.c.study_uid,
        (series_headers.c.series_uid if series else nothing).label("series_uid"),
        (instances.c.sop_instance_uid if image else nothing).label("sop_instance_uid"),
        (instances.c.sop_class_uid if image else nothing).label("sop_class_uid"),
        (instances.c.path if image else nothing).label("path"),
        study_headers.c.attributes.label("study"),
        (series_headers.c.attributes if series else sa.literal({}, sa.JSON)).label("series"),
    ).select_from(study_headers)
    if not series:
        return query.where(_STUDY_HERE)
    query = query.join(series_headers, _IN_STUDY)
    if not image:
        return query.where(_SERIES_HERE)
    in_series = sa.and_(
        instances.c.study_uid == series_headers.c.study_uid, instances.c.series_uid == series_headers.c.series_uid
    )
    return query.join(instances, in_series).where(used)


_ORDERS: dict[Level, tuple[sa.ColumnElement[Any], ...]] = {
    "study": (study_headers.c.study_uid,),
    "series": (series_headers.c.study_uid, series_headers.c.series_uid),
    "instance": (instances.c.id,),
}


def _condition(level: Level, item: Match) -> sa.ColumnElement[bool]:
    """A condition; one on the series of a study holds when it does for one of them (PS3.18 Table 10.6.1-5)."""
    of, _, name = item.column.partition(".")
    if item.column != MODALITIES and (level, of) != ("study", "series"):
        return matches(_TABLES[of].c[name], item.kind, item.value)
    name = "modality" if item.column == MODALITIES else name
    sibling = series_headers.alias("sibling")
    found = matches(sibling.c[name], item.kind, item.value)
    return sa.exists().where(sibling.c.study_uid == study_headers.c.study_uid, found)
