"""Task: the run as work, from its acceptance to its end and its review (https://hl7.org/fhir/R4/task.html).

``task`` makes it as ``requested``; every later version is the stored one with a new ``Progress``, so that a node which
was killed in between says the same again, and the store then writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from fhir.resources.R4B.task import Task

from ainode_fhir import codes
from ainode_fhir.datatypes import Json, ai_label, concept, instant, present, resource_id, uid_identifier
from ainode_fhir.device import algorithm_reference, node_reference
from ainode_fhir.diagnostic_report import report_reference, run_identifier
from ainode_fhir.imaging_study import study_reference
from ainode_fhir.patient import patient_reference
from ainode_fhir.run_order import RunOrder
from ainode_fhir.service_request import order_reference
from ainode_models.findings import Code

TaskStatus = Literal["requested", "in-progress", "completed", "failed", "rejected", "cancelled"]
"""``rejected``: the images are not what the model takes; ``cancelled``: replaced before it began."""
Business = Literal["unreviewed", "accepted", "edited", "rejected", "superseded"]
"""What has become of the result."""

_BUSINESS: Mapping[Business, str] = MappingProxyType(
    {
        "unreviewed": "Not reviewed by a human",
        "accepted": "Accepted by a human",
        "edited": "Accepted by a human, without some of the findings",
        "rejected": "Rejected by a human",
        "superseded": "Replaced by a later analysis of the study",
    }
)
_WITH_REPORT = ("completed", "failed", "rejected")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; all times with zone, from the journal and never from a clock."""

    status: TaskStatus
    modified: datetime
    """When it came so far."""
    started: datetime | None = None
    ended: datetime | None = None
    reason: str | None = None
    """Why it failed, was refused, or was cancelled, for people."""
    business: Business | None = None
    notes: tuple[str, ...] = ()
    """For people, without patient data."""


def task_id(run_id: str) -> str:
    """Logical id of the Task of a run, on this node."""
    return resource_id("Task", run_id)


def task(order: RunOrder) -> Task:
    """The Task of a run that was accepted.

    ``code`` is the workitem of DICOM (CID 9231) for what a model does. ``focus`` is the report, which is there from the
    beginning; ``owner`` is the model, whose parent is the node.
    """
    ordered = order_reference(order.context, order.site)
    body = {
        "id": task_id(order.run_id),
        "meta": {"security": [ai_label()]},
        "identifier": [run_identifier(order.run_id)],
        "basedOn": [ordered] if ordered else None,
        "groupIdentifier": uid_identifier(order.context.study_uid),
        "status": "requested",
        "intent": "order",
        "code": concept(codes.IMAGE_PROCESSING, f"AI analysis: {order.algorithm.name}"),
        "focus": report_reference(order.run_id),
        "for": patient_reference(order.context, order.site),
        "authoredOn": instant(order.authored),
        "lastModified": instant(order.authored),
        "requester": node_reference(order.site),
        "owner": algorithm_reference(order.algorithm),
        "input": [{"type": {"text": "Study to analyse"}, "valueReference": study_reference(order.context)}],
    }
    return Task.model_validate(present(body))


def progressed(stored: Json, progress: Progress) -> Json:
    """The Task of a run, as it is in the store, with how far the run is now."""
    period = {
        "start": instant(progress.started) if progress.started else None,
        "end": instant(progress.ended) if progress.ended else None,
    }
    report = {"type": concept(codes.IMAGING_STUDY_REPORT), "valueReference": stored["focus"]}
    changed = {
        "status": progress.status,
        "statusReason": {"text": progress.reason} if progress.reason else None,
        "businessStatus": _business(progress.business) if progress.business else None,
        "executionPeriod": present(period),
        "lastModified": instant(progress.modified),
        "note": [{"text": text} for text in progress.notes],
        "output": [report] if progress.status in _WITH_REPORT else None,
    }
    body: Json = Task.model_validate(present({**stored, **changed})).model_dump(mode="json")
    return body


def _business(business: Business) -> Json:
    return concept(Code(business, "99AINODE", _BUSINESS[business]))
