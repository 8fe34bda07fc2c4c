"""DiagnosticReport of one run (https://hl7.org/fhir/R4/diagnosticreport.html).

It follows the shape of IHE IMR and of US Core's DiagnosticReport for notes without claiming either: an unread AI
result has no interpreter to name. ``code`` is LOINC 18748-4, the radiology report that names neither modality nor body
part: the model's name says what was done, and a narrower code would promise a reading of the whole examination.
"""

import base64
import hashlib

from fhir.resources.R4B.diagnosticreport import DiagnosticReport

from ainode_fhir import codes
from ainode_fhir.datatypes import (
    RUN_SYSTEM,
    Json,
    ai_label,
    concept,
    date_time,
    hl7_concept,
    instant,
    present,
    reference,
    resource_id,
    uid_identifier,
)
from ainode_fhir.imaging_study import study_reference
from ainode_fhir.narrative import narrative
from ainode_fhir.observation import result_references
from ainode_fhir.organization import organization_reference
from ainode_fhir.patient import patient_reference
from ainode_fhir.result import Result
from ainode_fhir.service_request import order_reference
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext
from ainode_fhir.wording import conclusion
from ainode_models.findings import Algorithm, Code, Findings

REPLACES = "http://hl7.org/fhir/StructureDefinition/diagnosticReport-replaces"


def report_id(run_id: str) -> str:
    """Logical id of the report of a run, on this node."""
    return resource_id("DiagnosticReport", run_id)


def run_identifier(run_id: str) -> Json:
    """Identifier that finds the report of a run on any server."""
    return {"system": RUN_SYSTEM, "value": run_id}


def diagnostic_report(result: Result) -> DiagnosticReport:
    """The report: never ``final``, which only a review makes it; ``cancelled`` when nothing was analysed."""
    findings, context, site = result.findings, result.context, result.site
    words = conclusion(findings)
    body = {
        **common_report(findings.algorithm, context, site),
        "id": report_id(result.run_id),
        "text": narrative(findings, words),
        "extension": _replaces(result),
        "identifier": [run_identifier(result.run_id), *_structured_reports(result)],
        "status": site.report_status if findings.analysed else "cancelled",
        "effectiveDateTime": date_time(result.effective),
        "issued": instant(result.issued),
        "result": result_references(result),
        "conclusion": words,
        "conclusionCode": [concept(code) for code in conclusion_codes(findings)],
        "presentedForm": _presented(result),
    }
    return DiagnosticReport.model_validate(present(body))


def common_report(algorithm: Algorithm, context: ImagingContext, site: Site) -> Json:
    """What a report says from its registration to its end: whose and which study's it is, and which model's."""
    order = order_reference(context, site)
    return {
        "meta": {"security": [ai_label()]},
        "basedOn": [order] if order else None,
        "category": [concept(codes.RADIOLOGY), hl7_concept("v2-0074", "RAD", "Radiology")],
        "code": concept(codes.IMAGING_STUDY_REPORT, f"AI analysis: {algorithm.name}"),
        "subject": patient_reference(context, site),
        "performer": [organization_reference(site)],
        "imagingStudy": [study_reference(context)],
    }


def report_reference(run_id: str) -> Json:
    """Reference to the report of a run of this node."""
    return {**reference("DiagnosticReport", report_id(run_id)), "identifier": run_identifier(run_id)}


def _replaces(result: Result) -> list[Json]:
    """By identifier alone: the earlier report may never have reached the server that gets this one."""
    if not result.replaces:
        return []
    earlier = {"type": "DiagnosticReport", "identifier": run_identifier(result.replaces)}
    return [{"url": REPLACES, "valueReference": earlier}]


def _structured_reports(result: Result) -> list[Json]:
    return [uid_identifier(item.sop_instance_uid) for item in result.objects if item.kind == "SR"]


def _presented(result: Result) -> list[Json]:
    """The page within the report: not every server that takes a report takes a Binary, or can reach this node."""
    if result.page is None:
        return []
    digest = hashlib.sha1(result.page, usedforsecurity=False).digest()  # R4 wants this one
    return [
        {
            "contentType": "application/pdf",
            "data": base64.b64encode(result.page).decode(),
            "size": len(result.page),
            "hash": base64.b64encode(digest).decode(),
            "title": "One page, English and Spanish; unverified",
            "creation": instant(result.issued),
        }
    ]


def conclusion_codes(findings: Findings) -> tuple[Code, ...]:
    """Each finding that is there, once; a negative has none, so that no reader takes a code for a finding."""
    classes = [item.type for item in findings.classes if item.found]
    return tuple(dict.fromkeys([*(segment.type for segment in findings.present), *classes]))
