"""Fills the FHIR tables of a node's database with reports, faster than a node would: in bulk, indexes afterwards."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from ainode_fhir.folding import fold
from ainode_fhir.moments import microseconds, span
from ainode_fhir.tables import NO_DATE, index_table, resource_table
from fhir_load.template import (
    ACCESSION,
    BIRTH,
    FAMILY,
    GIVEN,
    ISSUED,
    PATIENT,
    RUN,
    SHARED,
    STUDIED,
    Resource,
    Template,
    templates,
)

MOST_REPORTS = 20
"""Of one patient; each number from 1 on is as frequent."""
FIRST_DAY, DAYS = datetime(2024, 12, 1, tzinfo=UTC), 730
"""When the studies were made: any day of two years."""
_AT_ONCE = 500
_SYLLABLES = ("ba", "den", "fi", "gor", "hal", "jo", "kre", "lim", "mor", "nu", "pel", "ros", "sta", "tho", "vin")
Rows = list[tuple[object, ...]]


@dataclass
class Patient:
    """A patient of the database."""

    number: int
    rng: random.Random
    identity: str = ""
    studies: list[str] = field(default_factory=list)
    """Accession numbers of the reports so far."""
    uids: list[str] = field(default_factory=list)
    """Study Instance UIDs of the reports so far, as ``urn:oid:``."""
    moments: list[datetime] = field(default_factory=list)
    """When these studies were made."""

    def __post_init__(self) -> None:
        """Invent who it is."""
        self.identity = _uuid(self.rng)
        self.family, self.given = ("".join(self.rng.choices(_SYLLABLES, k=count)).capitalize() for count in (3, 2))
        self.birth = (datetime(1930, 1, 1, tzinfo=UTC) + timedelta(days=self.rng.randrange(32_000))).date().isoformat()


class Filling:
    """The reports of a database, which may become more; the same seed gives the same."""

    def __init__(self, engine: sa.Engine, *, seed: int = 1) -> None:
        """``engine`` is on a database in which the node has made its tables."""
        self._engine = engine
        self._rng = random.Random(seed)  # noqa: S311 - to invent patients, not secrets
        self._templates = templates()
        self._waiting: list[Patient] = []
        self._seen = 0
        self.patients: list[Patient] = []
        """Those with a report."""
        self.reports = 0
        self.observations = 0

    def fill(self, reports: int) -> None:
        """Return when the database holds so many reports, and knows what its tables hold."""
        indexes = sorted(resource_table.indexes | index_table.indexes, key=lambda each: str(each.name))
        with self._engine.begin() as connection:
            for each in indexes:
                each.drop(connection)
        while self.reports < reports:
            self._insert(min(_AT_ONCE, reports - self.reports))
        with self._engine.begin() as connection:
            for each in indexes:
                each.create(connection)
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # What PostgreSQL's autovacuum does by itself some time after so many rows; SQLite does as a node leaves it.
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("VACUUM ANALYZE fhir_resource, fhir_index")

    def _insert(self, count: int) -> None:
        resources: Rows = []
        index: Rows = []
        kinds = [template for template, share in self._templates for _ in range(share)]
        for _ in range(count):
            self._report(kinds[self._rng.randrange(len(kinds))], resources, index)
        with self._engine.begin() as connection:
            _write(connection, resource_table, _RESOURCE, resources)
            _write(connection, index_table, _INDEX, index)

    def _report(self, template: Template, resources: Rows, index: Rows) -> None:
        patient = self._patient()
        studied = FIRST_DAY + timedelta(seconds=self._rng.randrange(DAYS * 86400))
        values = self._values(template, patient, studied)
        stored = microseconds(FIRST_DAY) + self.reports * 600_000_000
        for resource in template.resources:
            if resource.kind in SHARED and self.reports:
                continue
            if resource.kind == "Patient" and len(patient.studies) > 1:
                continue
            self.observations += resource.kind == "Observation"
            stored += 1000
            resources.append(_resource_row(resource, values, stored))
            index += _index_rows(resource, values)
        self.reports += 1

    def _patient(self) -> Patient:
        """Whom the next report is about: some fifty patients wait with 1 to 20 reports each, in no order."""
        while len(self._waiting) < _AT_ONCE:
            self._seen += 1
            patient = Patient(self._seen, self._rng)
            self._waiting += [patient] * self._rng.randint(1, MOST_REPORTS)
        at = self._rng.randrange(len(self._waiting))
        self._waiting[at], self._waiting[-1] = self._waiting[-1], self._waiting[at]
        patient = self._waiting.pop()
        if not patient.studies:
            self.patients.append(patient)
        return patient

    def _values(self, template: Template, patient: Patient, studied: datetime) -> dict[str, str]:
        accession, uid = f"ACC-{self.reports + 10}", f"urn:oid:2.25.{self._rng.getrandbits(120)}"
        patient.studies.append(accession)
        patient.uids.append(uid)
        patient.moments.append(studied)
        values = {hole: self._value(hole) for hole in template.holes}
        own = next(each for each in template.resources if each.kind == "Patient").id.pieces[1]
        study = next(each for each in template.resources if each.kind == "ImagingStudy")
        identifier = next(row for row in study.rows if row.parameter == "identifier").value.pieces[1]
        return values | {
            own: patient.identity,
            identifier: uid,
            PATIENT: f"P-{patient.number + 10000}",
            FAMILY: patient.family,
            GIVEN: patient.given,
            fold(FAMILY): fold(patient.family),
            fold(GIVEN): fold(patient.given),
            BIRTH: patient.birth,
            RUN: f"run-{self.reports}",
            ACCESSION: accession,
            STUDIED: studied.strftime("%Y-%m-%dT%H:%M:%SZ"),
            ISSUED: (studied + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _value(self, hole: str) -> str:
        return f"urn:oid:2.25.{self._rng.getrandbits(120)}" if hole.startswith("urn:oid:") else _uuid(self._rng)


_RESOURCE = (
    "type", "id", "version", "last_updated", "current", "deleted", "content", "status", "date", "issued",
)  # fmt: skip
_INDEX = ("type", "id", "parameter", "system", "value", "low", "high")


def _resource_row(resource: Resource, values: dict[str, str], stored: int) -> tuple[object, ...]:
    date, issued = (span(values[hole])[0] if hole else int(NO_DATE) for hole in (resource.date, resource.issued))
    content = resource.content.filled(values)
    identity = resource.id.filled(values)
    return resource.kind, identity, 1, stored, True, False, content, resource.status, date, issued


def _index_rows(resource: Resource, values: dict[str, str]) -> Iterator[tuple[object, ...]]:
    identity = resource.id.filled(values)
    for row in resource.rows:
        low, high = span(values[row.date]) if row.date else (None, None)
        yield resource.kind, identity, row.parameter, row.system.filled(values), row.value.filled(values), low, high


def _write(connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], rows: Rows) -> None:
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    places = ", ".join("?" for _ in columns)
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({places})", rows)  # noqa: S608 - our names


def _uuid(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=5))
