"""Provenance of one run: which model and node said it, of which study (https://hl7.org/fhir/R4/provenance.html).

It follows HL7 AI Transparency: reason AIAST, the AI Device an agent. R4 gives a Provenance no identifier, so its run id
is a tag.
"""

from fhir.resources.R4B.provenance import Provenance

from ainode_fhir.datatypes import (
    RUN_SYSTEM,
    Json,
    ai_label,
    hl7_concept,
    instant,
    reference,
    resource_id,
    uid_identifier,
)
from ainode_fhir.device import ai_type, algorithm_reference, node_reference
from ainode_fhir.diagnostic_report import report_reference
from ainode_fhir.imaging_study import study_reference
from ainode_fhir.model_card import card_reference
from ainode_fhir.observation import observations
from ainode_fhir.organization import organization_reference
from ainode_fhir.result import Result
from ainode_fhir.result_series import OBJECT_NAMES
from ainode_fhir.study import ResultObject


def provenance(result: Result) -> Provenance:
    """Provenance of the report, of its Observations and of the DICOM objects of the run."""
    findings, site = result.findings, result.site
    return Provenance.model_validate(
        {
            "id": resource_id("Provenance", result.run_id),
            "meta": {"security": [ai_label()], "tag": [{"system": RUN_SYSTEM, "code": result.run_id}]},
            "target": _targets(result),
            "occurredPeriod": {"start": instant(findings.started_at), "end": instant(result.issued)},
            "recorded": instant(result.issued),
            "reason": [{"coding": [ai_label()]}],
            "activity": hl7_concept("v3-DataOperation", "CREATE", "create"),
            "agent": [
                {
                    "type": _participant("author", "Author"),
                    "role": [{"coding": [ai_type()]}],
                    "who": algorithm_reference(findings.algorithm),
                    "onBehalfOf": organization_reference(site),
                },
                {"type": _participant("assembler", "Assembler"), "who": node_reference(site)},
            ],
            "entity": _entities(result),
        }
    )


def _entities(result: Result) -> list[Json]:
    """The study, and the card of the model as profile AI-Provenance wants it."""
    card = {"role": "derivation", "what": card_reference(result.findings.algorithm)}
    return [{"role": "source", "what": study_reference(result.context)}, *([card] if result.card else [])]


def _targets(result: Result) -> list[Json]:
    written = [reference("Observation", str(item.id)) for item in observations(result)]
    return [report_reference(result.run_id), *written, *map(_dicom_object, result.objects)]


def _dicom_object(item: ResultObject) -> Json:
    return {"identifier": uid_identifier(item.sop_instance_uid), "display": f"DICOM {OBJECT_NAMES[item.kind]}"}


def _participant(code: str, display: str) -> Json:
    return hl7_concept("provenance-participant-type", code, display)
