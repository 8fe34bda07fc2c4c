"""What belongs to certain patients, for callers who may see no more (https://hl7.org/fhir/R4/compartmentdefinition-patient.html).

A resource is theirs when the references that R4's definition names lead to one of them; Provenance is, when all that
it tells of is theirs; any other, such as a Device or an Organization, when something of theirs refers to it. What is
not named here is shown for that reason alone, so that a type which the server learns is closed until it is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, literal, or_, select

from ainode_fhir.parameters import elements, search_parameter
from ainode_fhir.stored import Stored
from ainode_fhir.tables import index_table, resource_table

COMPARTMENT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "DiagnosticReport": ("subject",),
        "DocumentReference": ("subject", "author"),
        "ImagingStudy": ("patient",),
        "Observation": ("subject", "performer"),
        "ServiceRequest": ("subject", "performer"),
    }
)
"""Search parameters by which a resource belongs to a patient; those that this server does not have lead nowhere."""
Condition = ColumnElement[bool]
Identity = ColumnElement[str]


@dataclass(frozen=True)
class Compartment:
    """All that belongs to some patients."""

    patients: tuple[str, ...]
    """Ids of Patient resources."""

    def holds(self, kind: str, identity: Identity) -> Condition:
        """Whether the resource of a type with this id, as it is now, is theirs."""
        if kind == "Patient":
            return identity.in_(self.patients)
        if kind in COMPARTMENT:
            own = index_table.alias()
            return identity.in_(select(own.c.id).where(own.c.type == kind, self._belongs(own.c, kind)))
        return self._all_targets(identity) if kind == "Provenance" else self._referred_to(kind, identity)

    def shows(self, connection: Connection, stored: Stored) -> bool:
        """Whether this version is theirs: the one before may have been another patient's. A deleted one is nobody's."""
        if stored.deleted:
            return False
        if stored.kind in COMPARTMENT:
            return any(place in self._references for place in _subjects(stored))
        wanted = self.holds(stored.kind, literal(stored.id))
        if stored.kind == "Provenance":
            targets = [value["reference"] for value in stored.content.get("target", ()) if "reference" in value]
            found = set(connection.scalars(self._locations(targets)))
            wanted = and_(wanted, literal(value=found >= set(targets)))
        return connection.scalar(select(literal(1)).where(wanted)) is not None

    @property
    def _references(self) -> tuple[str, ...]:
        return tuple(f"Patient/{patient}" for patient in self.patients)

    def _belongs(self, row: Any, kind: str) -> Condition:
        """Whether a row of the index says that its resource is theirs."""
        return and_(row.parameter.in_(COMPARTMENT[kind]), row.value.in_(self._references))

    def _locations(self, among: list[str] | None = None) -> Any:
        """``Type/id`` of all that is theirs by a reference of its own, or of those among some."""
        own = index_table.alias()
        location = own.c.type + "/" + own.c.id
        wanted = select(location).where(
            or_(*(and_(own.c.type == kind, self._belongs(own.c, kind)) for kind in COMPARTMENT))
        )
        return wanted if among is None else wanted.where(location.in_(among))

    def _all_targets(self, identity: Identity) -> Condition:
        outside = index_table.alias()
        other = select(outside.c.id).where(
            outside.c.type == "Provenance",
            outside.c.parameter == "target",
            outside.c.id == identity,
            outside.c.value.not_in(self._locations()),
        )
        return and_(identity.in_(self._telling()), ~other.exists())

    def _telling(self) -> Any:
        """Ids of Provenance that tells of something of theirs."""
        inside = index_table.alias()
        return select(inside.c.id).where(
            inside.c.type == "Provenance", inside.c.parameter == "target", inside.c.value.in_(self._locations())
        )

    def _referred_to(self, kind: str, identity: Identity) -> Condition:
        """Looked for in the text of what is theirs, as most such references are no search parameters."""
        own, resource, told = index_table.alias(), resource_table.alias(), resource_table.alias()
        quoted = literal(f'"{kind}/') + identity + '"'
        directly = select(literal(1)).where(
            or_(*(and_(own.c.type == each, self._belongs(own.c, each)) for each in COMPARTMENT)),
            resource.c.type == own.c.type,
            resource.c.id == own.c.id,
            resource.c.current,
            resource.c.content.contains(quoted),
        )
        by_provenance = select(literal(1)).where(
            told.c.type == "Provenance",
            told.c.id.in_(self._telling()),
            told.c.current,
            told.c.content.contains(quoted),
        )
        return or_(directly.exists(), by_provenance.exists())


def compartment_of(connection: Connection, identifiers: tuple[str, ...]) -> Compartment:
    """That of the patients with these identifiers (``system|value``), as far as they are known here."""
    if not identifiers:
        return Compartment(())
    pairs = [each.rpartition("|") for each in identifiers]
    row = index_table.c
    known = or_(*(and_(row.system == system, row.value == value) for system, _, value in pairs))
    wanted = select(row.id).where(row.type == "Patient", row.parameter == "identifier", known)
    return Compartment(tuple(connection.scalars(wanted.distinct())))


def _subjects(stored: Stored) -> list[str]:
    parameters = (search_parameter(stored.kind, name) for name in COMPARTMENT[stored.kind])
    values = (value for each in parameters if each for value in elements(stored.content, each.path))
    return [value["reference"] for value in values if "reference" in value]
