"""Observations of one run (https://hl7.org/fhir/R4/observation.html), by the HL7 guide "DICOM SR to FHIR".

For each run one summary; for each segment that is there a measurement group with its measurements; for each that was
looked for and not found one Observation whose ``code`` is the finding and whose value is "Clinical finding absent".
The Structured Report says that the other way round (name: absent, value: finding). Here the finding is never the value
of a negative, so that a search for findings by ``value-concept`` meets positives only. A failed run has the summary
alone, with a ``dataAbsentReason`` and no value.
"""

from fhir.resources.R4B.observation import Observation

from ainode_fhir import codes
from ainode_fhir.datatypes import (
    Json,
    ai_label,
    coding,
    concept,
    date_time,
    hl7_concept,
    instant,
    present,
    quantity,
    reference,
    resource_id,
    uid_identifier,
)
from ainode_fhir.device import algorithm_reference
from ainode_fhir.imaging_study import order_reference, study_reference
from ainode_fhir.organization import organization_reference
from ainode_fhir.patient import patient_reference
from ainode_fhir.result import Result
from ainode_fhir.wording import failure
from ainode_models.findings import Code, Outcome, Segment
from ainode_models.uids import derived_uid

_IDENTIFIER_TYPES = "http://hl7.org/fhir/uv/dicom-sr/CodeSystem/dicom-identifier-type"


def observations(result: Result) -> tuple[Observation, ...]:
    """All Observations of the run: the summary first, then by segment, each group before its measurements."""
    segments = result.findings.segments
    bodies = [_summary(result), *(body for segment in segments for body in _of_segment(result, segment))]
    return tuple(Observation.model_validate(body) for body in bodies)


def result_references(result: Result) -> list[Json]:
    """What the report lists: the summary, then each segment; the measurements are members of their group."""
    return [
        _reference(result, "summary"),
        *(_reference(result, _of(segment, _kind(segment))) for segment in result.findings.segments),
    ]


def observation_uid(run_id: str, segment: Segment) -> str:
    """Observation UID (0040,A171) of a segment's measurement group: the same in the Structured Report."""
    return derived_uid(run_id, "SR", "ObservationUID", str(segment.number))


def _summary(result: Result) -> Json:
    code = concept(codes.SUMMARY)
    if result.failed:
        error = {**hl7_concept("data-absent-reason", "error", "Error"), "text": failure(result.findings)}
        return {**_common(result, "summary", code), "status": "cancelled", "dataAbsentReason": error}
    found = result.findings.outcome is Outcome.FINDINGS
    value = concept(codes.WITH_FINDINGS if found else codes.WITHOUT_FINDINGS)
    return {**_common(result, "summary", code), "valueCodeableConcept": value}


def _of_segment(result: Result, segment: Segment) -> list[Json]:
    if not segment.voxels:
        return [_absent(result, segment)]
    measured = _measurements(result, segment)
    return [_group(result, segment, members=[body["id"] for body in measured]), *measured]


def _absent(result: Result, segment: Segment) -> Json:
    return {
        **_common(result, _of(segment, "absent"), concept(segment.type, segment.label)),
        "identifier": _identifiers(result, segment),
        "valueCodeableConcept": concept(codes.CLINICAL_FINDING_ABSENT, "Looked for and not found by this algorithm"),
        "bodySite": concept(segment.anatomy),
    }


def _group(result: Result, segment: Segment, *, members: list[str]) -> Json:
    common = _common(result, _of(segment, "group"), concept(segment.category))
    return {
        **common,
        "identifier": _identifiers(result, segment),
        "category": [*common["category"], concept(codes.MEASUREMENT_GROUP)],
        "valueCodeableConcept": concept(segment.type, segment.label),
        "bodySite": concept(segment.anatomy),
        "hasMember": [reference("Observation", member) for member in members],
    }


def _measurements(result: Result, segment: Segment) -> list[Json]:
    diameter, confidence = segment.longest_diameter, segment.confidence
    bodies = [_measurement(result, segment, codes.VOLUME, quantity(segment.volume_ml, "mL"))]
    if diameter:
        length = _measurement(result, segment, codes.DIAMETER, quantity(diameter.length_mm, "mm"))
        bodies.append({**length, "method": concept(codes.MAXIMUM)})
    if confidence is not None:
        certainty = _measurement(result, segment, codes.CERTAINTY, quantity(100 * confidence, "%"))
        bodies.append({**certainty, "method": concept(codes.MEAN)})
    return bodies


def _measurement(result: Result, segment: Segment, code: Code, value: Json) -> Json:
    """Measurement whose code, derivation (``method``), value and unit are those of TID 1419 in the report."""
    return {
        **_common(result, _of(segment, code.value), concept(code)),
        "valueQuantity": value,
        "bodySite": concept(segment.anatomy),
        "note": [{"text": f"Measured on: {segment.label}"}],
    }


def _common(result: Result, name: str, code: Json) -> Json:
    context, site = result.context, result.site
    order = order_reference(context, site)
    body = {
        "id": _observation_id(result, name),
        "meta": {"security": [ai_label()]},
        "identifier": [uid_identifier(derived_uid(result.run_id, "fhir observation", name))],
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


def _identifiers(result: Result, segment: Segment) -> list[Json]:
    """Observation UID, then Tracking UID, each with its type: the first is this observation's own."""
    kind = {"system": _IDENTIFIER_TYPES, "code": "observation-uid", "display": "Observation UID"}
    return [
        {"type": {"coding": [kind]}, **uid_identifier(observation_uid(result.run_id, segment))},
        {"type": {"coding": [coding(codes.TRACKING_UID)]}, **uid_identifier(segment.tracking_uid)},
    ]


def _reference(result: Result, name: str) -> Json:
    return reference("Observation", _observation_id(result, name))


def _kind(segment: Segment) -> str:
    return "group" if segment.voxels else "absent"


def _of(segment: Segment, name: str) -> str:
    return f"{segment.number} {name}"


def _observation_id(result: Result, name: str) -> str:
    return resource_id("Observation", result.run_id, name)
