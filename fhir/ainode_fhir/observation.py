"""Observations of one run (https://hl7.org/fhir/R4/observation.html), by the HL7 guide "DICOM SR to FHIR".

For each run one summary, with the certainty of a classifier; for each of its classes one Observation
(`ainode_fhir.class_observation`); for each segment that is there a measurement group with its measurements; for each
that was looked for and not found one Observation whose ``code`` is the finding and whose value is "Clinical finding
absent". The Structured Report says that the other way round (name: absent, value: finding). Here the finding is never
the value of a negative, so that a search for findings by ``value-concept`` meets positives only. A failed or refused
run has the summary alone, with a ``dataAbsentReason`` (``error``, ``not-performed``) and no value.
"""

from fhir.resources.R4B.observation import Observation

from ainode_fhir import codes
from ainode_fhir.class_observation import certainty_components, class_name, class_observation
from ainode_fhir.datatypes import Json, concept, hl7_concept, present, quantity, reference
from ainode_fhir.observation_body import (
    common_body,
    identifiers,
    observation_reference,
    run_observation_identifier,
)
from ainode_fhir.result import Result
from ainode_fhir.wording import failure, lacking
from ainode_models.comparison import change_ml
from ainode_models.findings import Code, Findings, Outcome, Segment

_ABSENT = {Outcome.FAILED: ("error", "Error"), Outcome.REFUSED: ("not-performed", "Not Performed")}
"""https://hl7.org/fhir/R4/valueset-data-absent-reason.html."""


def observations(result: Result) -> tuple[Observation, ...]:
    """All Observations of the run: the summary, then classes, or segments with each group before its measurements."""
    findings = result.findings
    bodies = [
        _summary(result),
        *(class_observation(result, item) for item in findings.classes),
        *(body for segment in findings.segments for body in _of_segment(result, segment)),
    ]
    return tuple(Observation.model_validate(body) for body in bodies)


def result_references(result: Result) -> list[Json]:
    """What the report lists: the summary, then each class or segment; the measurements are members of their group."""
    return [
        observation_reference(result, "summary"),
        *(observation_reference(result, class_name(item)) for item in result.findings.classes),
        *(observation_reference(result, segment_name(segment)) for segment in result.findings.segments),
    ]


def _summary(result: Result) -> Json:
    code = concept(codes.SUMMARY)
    if not result.findings.analysed:
        reason = {
            **hl7_concept("data-absent-reason", *_ABSENT[result.findings.outcome]),
            "text": failure(result.findings),
        }
        return {**common_body(result, "summary", code), "status": "cancelled", "dataAbsentReason": reason}
    more = {
        "valueCodeableConcept": concept(ending(result.findings)),
        "note": [{"text": text} for text in (*lacking(result.findings), *result.findings.remarks)],
        "component": certainty_components(result.findings),
    }
    return {**common_body(result, "summary", code), **present(more)}


def ending(findings: Findings) -> Code:
    """As the summary of the report: of all that was asked for, or of a partial result."""
    if findings.outcome is Outcome.FINDINGS:
        return codes.PARTIAL_WITH_FINDINGS if findings.partial else codes.WITH_FINDINGS
    return codes.PARTIAL_WITHOUT_FINDINGS if findings.partial else codes.WITHOUT_FINDINGS


def _of_segment(result: Result, segment: Segment) -> list[Json]:
    measured = [*(_measurements(result, segment) if segment.voxels else []), *_differences(result, segment)]
    whole = _group if segment.voxels else _absent
    return [whole(result, segment, members=[body["id"] for body in measured]), *measured]


def _absent(result: Result, segment: Segment, *, members: list[str]) -> Json:
    body = {
        **common_body(result, _of(segment, "absent"), concept(segment.type, segment.label)),
        "identifier": identifiers(result, segment),
        "valueCodeableConcept": concept(codes.CLINICAL_FINDING_ABSENT, "Looked for and not found by this algorithm"),
        "bodySite": concept(segment.anatomy),
        "hasMember": [reference("Observation", member) for member in members],
    }
    return present(body)


def _group(result: Result, segment: Segment, *, members: list[str]) -> Json:
    common = common_body(result, _of(segment, "group"), concept(segment.category))
    return {
        **common,
        "identifier": identifiers(result, segment),
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


def _differences(result: Result, segment: Segment) -> list[Json]:
    """Change since the prior, with the volume then as component, as one is inferred from the other in the report.

    The prior's summary is named by identifier alone: it may never have reached the server that gets this one.
    """
    prior, change = result.findings.prior, change_ml(segment)
    if prior is None or change is None or segment.prior_volume_ml is None:
        return []
    body = _measurement(result, segment, codes.DIFFERENCE, quantity(change, "mL"))
    earlier = {"type": "Observation", "identifier": run_observation_identifier(prior.run_id, "summary")}
    then = {
        "code": concept(codes.VOLUME, f"Volume on {prior.studied_on}"),
        "valueQuantity": quantity(segment.prior_volume_ml, "mL"),
    }
    return [{**body, "derivedFrom": [*body["derivedFrom"], earlier], "component": [then]}]


def _measurement(result: Result, segment: Segment, code: Code, value: Json) -> Json:
    """Measurement whose code, derivation (``method``), value and unit are those of TID 1419 in the report."""
    return {
        **common_body(result, _of(segment, code.value), concept(code)),
        "valueQuantity": value,
        "bodySite": concept(segment.anatomy),
        "note": [{"text": f"Measured on: {segment.label}"}],
    }


def segment_name(segment: Segment) -> str:
    """Name of the Observation of a segment; those of its measurements are members of it."""
    return _of(segment, "group" if segment.voxels else "absent")


def _of(segment: Segment, name: str) -> str:
    return f"{segment.number} {name}"
