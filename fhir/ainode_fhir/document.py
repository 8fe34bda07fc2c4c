"""DocumentReference of a DICOM object of a run, for readers that look for documents rather than for studies.

It has what US Core's DocumentReference demands; US Core has no profile for images. The object is fetched by WADO-RS, so
where its address is not known there are none.
"""

from fhir.resources.R4B.documentreference import DocumentReference

from ainode_fhir import codes
from ainode_fhir.datatypes import (
    Json,
    ai_label,
    concept,
    date_time,
    instant,
    resource_id,
    uid_identifier,
)
from ainode_fhir.device import algorithm_reference
from ainode_fhir.diagnostic_report import report_reference
from ainode_fhir.endpoint import DICOM
from ainode_fhir.imaging_study import study_reference
from ainode_fhir.organization import organization_reference
from ainode_fhir.patient import patient_reference
from ainode_fhir.result import Result
from ainode_fhir.result_series import OBJECT_NAMES
from ainode_fhir.study import ResultObject

_KINDS = ("SEG", "SR")
_DICOM_UIDS = "urn:oid:1.2.840.10008.2.6.1"
"""DICOM UIDs as a coding scheme (PS3.16 8, "DCMUID"), as XDS-I writes format codes."""


def documents(result: Result) -> list[DocumentReference]:
    """One for each SEG and SR of the run; none where nobody could fetch them."""
    if not result.site.wado_url:
        return []
    return [_document(result, item) for item in result.objects if item.kind in _KINDS]


def _document(result: Result, item: ResultObject) -> DocumentReference:
    context, site, model = result.context, result.site, result.findings.algorithm
    title = f"{OBJECT_NAMES[item.kind]} by {model.name} {model.version}, not verified"
    return DocumentReference.model_validate(
        {
            "id": resource_id("DocumentReference", item.sop_instance_uid),
            "meta": {"security": [ai_label()]},
            "masterIdentifier": uid_identifier(item.sop_instance_uid),
            "identifier": [uid_identifier(item.sop_instance_uid)],
            "status": "current",
            "docStatus": "preliminary",
            "type": concept(codes.IMAGING_STUDY_REPORT, f"DICOM {OBJECT_NAMES[item.kind]}"),
            "category": [concept(codes.RADIOLOGY)],
            "subject": patient_reference(context, site),
            "date": instant(result.issued),
            "author": [algorithm_reference(model)],
            "custodian": organization_reference(site),
            "description": title,
            "content": [
                {
                    "attachment": {
                        "contentType": DICOM,
                        "url": f"{site.wado_url}/studies/{context.study_uid}/series/{item.series_uid}"
                        f"/instances/{item.sop_instance_uid}",
                        "title": title,
                        "creation": instant(result.issued),
                    },
                    "format": _format(item),
                }
            ],
            "context": {
                "period": {"start": date_time(result.effective)},
                "related": [study_reference(context), report_reference(result.run_id)],
            },
        }
    )


def _format(item: ResultObject) -> Json:
    return {"system": _DICOM_UIDS, "code": item.sop_class_uid, "display": f"DICOM {OBJECT_NAMES[item.kind]}"}
