"""The search parameters of each resource: one table for the index, the search and the CapabilityStatement.

Definitions: https://hl7.org/fhir/R4/searchparameter-registry.html, and IHE IMR for ``imagingStudy``.
As in IMR, an accession number is looked for by ``based-on.identifier`` and a Study Instance UID by
``imagingStudy.identifier`` (of an Observation by ``derived-from.identifier``); ``identifier`` is the resource's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from ainode_fhir.datatypes import Json

Kind = Literal["token", "reference", "date", "string"]


@dataclass(frozen=True)
class SearchParameter:
    """One search parameter of one resource type."""

    name: str
    kind: Kind
    path: str
    """Elements from the root of the resource, joined by dots."""
    definition: str
    """Canonical URL of its SearchParameter."""
    target: str | None = None
    """Type that a reference points to when it is given without one, and that a chain goes to."""


def elements(resource: Json, path: str) -> Iterator[Any]:
    """Every value at ``path``; lists on the way are walked."""
    nodes: list[Any] = [resource]
    for name in path.split("."):
        nodes = [child for node in nodes if isinstance(node, dict) for child in _each(node.get(name))]
    return iter(nodes)


def search_parameter(kind: str, name: str) -> SearchParameter | None:
    """The parameter of a resource type by its name or IMR alias; None when the type has no such parameter."""
    wanted = _ALIASES.get(name, name)
    return next((item for item in PARAMETERS.get(kind, ()) if item.name == wanted), None)


def _each(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _core(base: str, name: str, kind: Kind, path: str, target: str | None = None) -> SearchParameter:
    return SearchParameter(
        name, kind, path, f"http://hl7.org/fhir/SearchParameter/{base}-{name.removeprefix('_')}", target
    )


_LAST_UPDATED = _core("Resource", "_lastUpdated", "date", "meta.lastUpdated")
_EVERY = (
    _core("Resource", "_id", "token", "id"),
    _LAST_UPDATED,
    _core("Resource", "_tag", "token", "meta.tag"),
    _core("Resource", "_security", "token", "meta.security"),
)
_IDENTIFIER = _core("clinical", "identifier", "token", "identifier")
_CLINICAL = (
    _IDENTIFIER,
    _core("clinical", "patient", "reference", "subject", "Patient"),
    _core("clinical", "code", "token", "code"),
    _core("clinical", "date", "date", "effectiveDateTime"),
)

PARAMETERS: Mapping[str, tuple[SearchParameter, ...]] = MappingProxyType(
    {
        "DiagnosticReport": (
            *_EVERY,
            *_CLINICAL,
            _core("DiagnosticReport", "subject", "reference", "subject", "Patient"),
            _core("DiagnosticReport", "status", "token", "status"),
            _core("DiagnosticReport", "category", "token", "category"),
            _core("DiagnosticReport", "issued", "date", "issued"),
            _core("DiagnosticReport", "conclusion", "token", "conclusionCode"),
            _core("DiagnosticReport", "based-on", "reference", "basedOn", "ServiceRequest"),
            _core("DiagnosticReport", "result", "reference", "result", "Observation"),
            _core("DiagnosticReport", "results-interpreter", "reference", "resultsInterpreter", "Practitioner"),
            SearchParameter(
                "imagingStudy",
                "reference",
                "imagingStudy",
                "https://profiles.ihe.net/RAD/IMR/SearchParameter/DiagnosticReport-ImagingStudy",
                "ImagingStudy",
            ),
        ),
        "Observation": (
            *_EVERY,
            *_CLINICAL,
            _core("Observation", "subject", "reference", "subject", "Patient"),
            _core("Observation", "status", "token", "status"),
            _core("Observation", "category", "token", "category"),
            _core("Observation", "value-concept", "token", "valueCodeableConcept"),
            _core("Observation", "data-absent-reason", "token", "dataAbsentReason"),
            _core("Observation", "based-on", "reference", "basedOn", "ServiceRequest"),
            _core("Observation", "part-of", "reference", "partOf", "ImagingStudy"),
            _core("Observation", "derived-from", "reference", "derivedFrom", "ImagingStudy"),
            _core("Observation", "has-member", "reference", "hasMember", "Observation"),
            _core("Observation", "device", "reference", "device", "Device"),
        ),
        "Patient": (
            *_EVERY,
            _core("Patient", "identifier", "token", "identifier"),
            _core("Patient", "name", "string", "name"),
            _core("individual", "family", "string", "name.family"),
            _core("individual", "given", "string", "name.given"),
            _core("individual", "birthdate", "date", "birthDate"),
            _core("individual", "gender", "token", "gender"),
        ),
        "ImagingStudy": (
            *_EVERY,
            _IDENTIFIER,
            _core("clinical", "patient", "reference", "subject", "Patient"),
            _core("ImagingStudy", "modality", "token", "series.modality"),
            _core("ImagingStudy", "started", "date", "started"),
            _core("ImagingStudy", "status", "token", "status"),
            _core("ImagingStudy", "basedon", "reference", "basedOn", "ServiceRequest"),
            _core("ImagingStudy", "endpoint", "reference", "endpoint", "Endpoint"),
        ),
        "ServiceRequest": (
            *_EVERY,
            _IDENTIFIER,
            _core("clinical", "patient", "reference", "subject", "Patient"),
            _core("clinical", "code", "token", "code"),
            _core("ServiceRequest", "subject", "reference", "subject", "Patient"),
            _core("ServiceRequest", "status", "token", "status"),
            _core("ServiceRequest", "intent", "token", "intent"),
            _core("ServiceRequest", "category", "token", "category"),
            _core("ServiceRequest", "priority", "token", "priority"),
            _core("ServiceRequest", "authored", "date", "authoredOn"),
            _core("ServiceRequest", "occurrence", "date", "occurrenceDateTime"),
        ),
        "Device": (
            *_EVERY,
            _core("Device", "identifier", "token", "identifier"),
            _core("Device", "type", "token", "type"),
            _core("Device", "patient", "reference", "patient", "Patient"),
        ),
        "Task": (
            *_EVERY,
            _core("Task", "identifier", "token", "identifier"),
            _core("Task", "patient", "reference", "for", "Patient"),
            _core("Task", "subject", "reference", "for", "Patient"),
            _core("Task", "status", "token", "status"),
            _core("Task", "business-status", "token", "businessStatus"),
            _core("Task", "code", "token", "code"),
            _core("Task", "focus", "reference", "focus", "DiagnosticReport"),
            _core("Task", "based-on", "reference", "basedOn", "ServiceRequest"),
            _core("Task", "group-identifier", "token", "groupIdentifier"),
            _core("Task", "owner", "reference", "owner", "Device"),
            _core("Task", "authored-on", "date", "authoredOn"),
            _core("Task", "modified", "date", "lastModified"),
        ),
        "DocumentReference": (
            *_EVERY,
            _IDENTIFIER,
            _core("clinical", "patient", "reference", "subject", "Patient"),
            _core("clinical", "type", "token", "type"),
            _core("DocumentReference", "subject", "reference", "subject", "Patient"),
            _core("DocumentReference", "status", "token", "status"),
            _core("DocumentReference", "category", "token", "category"),
            _core("DocumentReference", "date", "date", "date"),
            _core("DocumentReference", "contenttype", "token", "content.attachment.contentType"),
            _core("DocumentReference", "format", "token", "content.format"),
            _core("DocumentReference", "related", "reference", "context.related"),
        ),
        "Endpoint": (
            *_EVERY,
            _core("Endpoint", "identifier", "token", "identifier"),
            _core("Endpoint", "status", "token", "status"),
            _core("Endpoint", "connection-type", "token", "connectionType"),
            _core("Endpoint", "organization", "reference", "managingOrganization", "Organization"),
        ),
        "Provenance": (*_EVERY, _core("Provenance", "target", "reference", "target")),
        "Organization": (*_EVERY, _core("Organization", "identifier", "token", "identifier")),
    }
)
"""Search parameters by resource type; a type that is not here is not served."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {"basedOn": "based-on", "imaging-study": "imagingStudy", "name.family": "family", "name.given": "given"}
)
