"""What all Observations of a run share: subject, study, times, model, and ids that derive from the run."""

from ainode_fhir import codes
from ainode_fhir.datatypes import (
    Json,
    ai_label,
    coding,
    date_time,
    hl7_concept,
    instant,
    present,
    reference,
    resource_id,
    uid_identifier,
)
from ainode_fhir.device import algorithm_reference
from ainode_fhir.imaging_study import study_reference
from ainode_fhir.organization import organization_reference
from ainode_fhir.patient import patient_reference
from ainode_fhir.result import Result
from ainode_fhir.service_request import order_reference
from ainode_models.findings import ClassFinding, Segment
from ainode_models.uids import derived_uid

_IDENTIFIER_TYPES = "http://hl7.org/fhir/uv/dicom-sr/CodeSystem/dicom-identifier-type"


def common_body(result: Result, name: str, code: Json) -> Json:
    """An unverified Observation without a value; ``name`` tells it from the others of the run."""
    context, site = result.context, result.site
    order = order_reference(context, site)
    body = {
        "id": observation_id(result, name),
        "meta": {"security": [ai_label()]},
        "identifier": [run_observation_identifier(result.run_id, name)],
        "basedOn": [order] if order else None,
        "partOf": [study_reference(context)],
        "status": "preliminary",
        "category": [hl7_concept("observation-category", "imaging", "Imaging")],
        "code": code,
        "subject": patient_reference(context, site),
        "effectiveDateTime": date_time(result.effective),
        "issued": instant(result.issued),
        "performer": [organization_reference(site)],
        "device": algorithm_reference(result.findings.algorithm),
        "derivedFrom": [study_reference(context)],
    }
    return present(body)


def run_observation_identifier(run_id: str, name: str) -> Json:
    """Identifier that finds the Observation of that name of a run on any server, unless it has an Observation UID."""
    return uid_identifier(derived_uid(run_id, "fhir observation", name))


def identifiers(result: Result, item: Segment | ClassFinding) -> list[Json]:
    """Observation UID, then Tracking UID, each with its type: the first is this observation's own."""
    kind = {"system": _IDENTIFIER_TYPES, "code": "observation-uid", "display": "Observation UID"}
    return [
        {"type": {"coding": [kind]}, **uid_identifier(observation_uid(result.run_id, item))},
        {"type": {"coding": [coding(codes.TRACKING_UID)]}, **uid_identifier(item.tracking_uid)},
    ]


def observation_uid(run_id: str, item: Segment | ClassFinding) -> str:
    """Observation UID (0040,A171) of the measurement group of a segment or class: the same in the Structured Report."""
    return derived_uid(run_id, "SR", "ObservationUID", str(item.number))


def observation_reference(result: Result, name: str) -> Json:
    """Reference to the Observation of that name."""
    return reference("Observation", observation_id(result, name))


def observation_id(result: Result, name: str) -> str:
    """Logical id of the Observation of that name."""
    return observation_id_of(result.run_id, name)


def observation_id_of(run_id: str, name: str) -> str:
    """The same by the id of the run."""
    return resource_id("Observation", run_id, name)
