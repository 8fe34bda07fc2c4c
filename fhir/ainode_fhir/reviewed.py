"""The resources of a result as a human's review leaves them: a function of what was first written, and of the review.

accepted: report and Observations become ``final``. edited: so do they, but the Observations of struck findings become
``entered-in-error``, and conclusion and codes are written without them. rejected: all become ``entered-in-error``, with
the reason. The label AIAST and the model's disclaimer stay; DICOM objects are not touched. The page goes: it says that
nobody has verified the result, and may show what was struck.
"""

from dataclasses import replace

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.provenance import Provenance

from ainode_fhir.bundle import WITHDRAWN, as_json, transaction
from ainode_fhir.class_observation import class_name
from ainode_fhir.datatypes import (
    RUN_SYSTEM,
    Json,
    concept,
    hl7_concept,
    instant,
    present,
    reference,
    resource_id,
)
from ainode_fhir.device import node_reference
from ainode_fhir.diagnostic_report import conclusion_codes, report_reference
from ainode_fhir.narrative import narrative
from ainode_fhir.observation import ending, segment_name
from ainode_fhir.observation_body import observation_id_of
from ainode_fhir.review import Review, labels
from ainode_fhir.site import Site
from ainode_fhir.supersede import superseded
from ainode_fhir.wording import conclusion, sentence
from ainode_models.findings import Findings, Outcome

FINAL = "final"


def reviewed_bundle(resources: list[Json], findings: Findings, review: Review, *, site: Site) -> Bundle:
    """Transaction with the new versions, and a Provenance of the review; for ``ResourceStore.apply`` and for a push.

    ``resources`` are all of ``report_bundle``, as first written: a later review is not made from an earlier one.
    """
    struck = _struck(resources, findings, review)
    changed = [_reviewed(body, findings, review, site=site, struck=struck) for body in resources]
    return transaction([*changed, as_json(review_provenance(changed, review, site))], base_url=site.base_url)


def without_struck(findings: Findings, review: Review) -> Findings:
    """What is left of the findings; the outcome says whether any of it is a finding."""
    numbers = {item.number for item in review.struck}
    left = replace(
        findings,
        segments=tuple(item for item in findings.segments if item.number not in numbers),
        classes=tuple(item for item in findings.classes if item.number not in numbers),
    )
    found = bool(left.present) or any(item.found for item in left.classes)
    return left if found or not numbers else replace(left, outcome=Outcome.NO_FINDINGS)


def review_provenance(changed: list[Json], review: Review, site: Site) -> Provenance:
    """Who verified, or withdrew, which resources, when and why."""
    rejected = review.verdict == "rejected"
    targets = [reference("Observation", body["id"]) for body in changed if body["resourceType"] == "Observation"]
    body = {
        "id": resource_id("Provenance", review.run_id, "review", str(review.number)),
        "meta": {"tag": [{"system": RUN_SYSTEM, "code": f"{review.run_id}/review/{review.number}"}]},
        "target": [report_reference(review.run_id), *targets],
        "occurredDateTime": instant(review.reviewed_at),
        "recorded": instant(review.reviewed_at),
        "reason": [{"text": text} for text in _reasons(review)],
        "activity": hl7_concept("v3-DataOperation", *(("NULLIFY", "nullify") if rejected else ("UPDATE", "revise"))),
        "agent": [
            {"type": hl7_concept("provenance-participant-type", "verifier", "Verifier"), "who": reviewer(review)},
            {
                "type": hl7_concept("provenance-participant-type", "assembler", "Assembler"),
                "who": node_reference(site),
            },
        ],
    }
    return Provenance.model_validate(present(body))


def reviewer(review: Review) -> Json:
    """Logical reference to the reviewer: the node knows no Practitioners, whoever reads it may."""
    who = review.reviewer
    identifier = {"system": who.system, "value": who.value}
    return {"type": "Practitioner", "identifier": identifier, "display": who.shown}


def _reviewed(body: Json, findings: Findings, review: Review, *, site: Site, struck: frozenset[str]) -> Json:
    kind = body["resourceType"]
    if kind == "DiagnosticReport":
        return _report(body, findings, review, site)
    if kind == "DocumentReference" and review.verdict == "rejected":
        return superseded(body)
    if kind != "Observation":
        return body
    status = WITHDRAWN if review.verdict == "rejected" or body["id"] in struck else _status(body, site, FINAL)
    changed = {**body, "status": status, "issued": instant(review.reviewed_at)}
    if body["id"] == observation_id_of(review.run_id, "summary") and review.struck:
        changed["valueCodeableConcept"] = concept(ending(without_struck(findings, review)))
    return changed


def _report(body: Json, findings: Findings, review: Review, site: Site) -> Json:
    left = without_struck(findings, review)
    words = " ".join([*_words(findings, review), conclusion(left, head=_head(review))])
    changed = {
        **body,
        "status": WITHDRAWN if review.verdict == "rejected" else _status(body, site, FINAL),
        "issued": instant(review.reviewed_at),
        "resultsInterpreter": [reviewer(review)],
        "conclusion": words,
        "conclusionCode": [concept(code) for code in conclusion_codes(left)] if review.stands else None,
        "text": narrative(left, words),
        "presentedForm": None,
    }
    return present(changed)


def _status(body: Json, site: Site, final: str) -> str:
    """Final, unless the site keeps what a model says as it is; cancelled stays what says nothing of the patient."""
    kept = site.reviewed_status != FINAL or body["status"] == "cancelled"
    return str(body["status"]) if kept else final


def _head(review: Review) -> str:
    return "AI result, rejected" if review.verdict == "rejected" else "AI result"


def _words(findings: Findings, review: Review) -> list[str]:
    """Who decided what and when, before all else."""
    done = {"accepted": "ACCEPTED", "edited": "ACCEPTED WITH CHANGES", "rejected": "REJECTED"}[review.verdict]
    by = f"{done} by {review.reviewer.shown} on {review.reviewed_at:%Y-%m-%d at %H:%M %Z}."
    named = labels(findings)
    return [
        by,
        *(["Do not use."] if review.verdict == "rejected" else []),
        *(f"Struck by the reviewer: {named[item.number]}, {sentence(item.reason)}" for item in review.struck),
        *([f"Reason: {sentence(review.reason)}"] if review.reason else []),
        *([f"Comment: {sentence(review.comment)}"] if review.comment else []),
    ]


def _reasons(review: Review) -> list[str]:
    return [text for text in (review.reason, *(item.reason for item in review.struck)) if text]


def _struck(resources: list[Json], findings: Findings, review: Review) -> frozenset[str]:
    """Ids of the Observations of struck findings, with the measurements of each."""
    numbers = {item.number for item in review.struck}
    names = [segment_name(item) for item in findings.segments if item.number in numbers]
    names += [class_name(item) for item in findings.classes if item.number in numbers]
    own = {observation_id_of(review.run_id, name) for name in names}
    members = (member for body in resources if body["id"] in own for member in body.get("hasMember", ()))
    return frozenset(own | {member["reference"].split("/", 1)[1] for member in members})
