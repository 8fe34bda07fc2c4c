"""The report of a run that was accepted: it exists, and there is nothing in it yet.

R4 has ``registered`` for that. The resources are written only where there is none, so that a node which starts again
never puts them in the place of a result.
"""

from dataclasses import replace
from html import escape

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.diagnosticreport import DiagnosticReport

from ainode_fhir.bundle import as_json, transaction
from ainode_fhir.datatypes import Json, date_time, present
from ainode_fhir.device import algorithm_device, node_device
from ainode_fhir.diagnostic_report import common_report, report_id, run_identifier
from ainode_fhir.endpoint import endpoint
from ainode_fhir.imaging_study import imaging_study
from ainode_fhir.organization import organization
from ainode_fhir.patient import patient
from ainode_fhir.run_order import RunOrder
from ainode_fhir.service_request import service_request
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext
from ainode_fhir.task import task

REGISTERED = "registered"
_NOT_YET = "The analysis was accepted and has not ended: nothing is said about the patient."
_NEVER = "THE ANALYSIS WAS NOT DONE: NOTHING IS SAID ABOUT THE PATIENT."


def registered_bundle(order: RunOrder) -> Bundle:
    """For ``ResourceStore.apply``: report and Task of a run that was accepted, with all that they refer to."""
    context, site = order.context, order.site
    about = (
        organization(site),
        node_device(site),
        algorithm_device(order.algorithm, site),
        patient(context, site),
        *filter(None, [service_request(context, site)]),
        *filter(None, [endpoint(site)]),
        registered_report(order),
        task(order),
    )
    resources = [_study_without_images(context, site), *(as_json(resource) for resource in about)]
    return transaction(resources, base_url=site.base_url, only_new=True)


def registered_report(order: RunOrder) -> DiagnosticReport:
    """The report, with neither results nor a conclusion."""
    name = f"{order.algorithm.name} {order.algorithm.version}"
    body = {
        **common_report(order.algorithm, order.context, order.site),
        "id": report_id(order.run_id),
        "text": _text(f"{name}. {_NOT_YET}"),
        "identifier": [run_identifier(order.run_id)],
        "status": REGISTERED,
        "effectiveDateTime": date_time(order.effective),
    }
    return DiagnosticReport.model_validate(present(body))


def never_reported(report: Json, reason: str) -> Json:
    """A report for which nothing will come any more: ``cancelled``, with why. One that has a result stays as it is."""
    if report["status"] != REGISTERED:
        return report
    words = f"{_NEVER} Reason: {reason}"
    return {**report, "status": "cancelled", "conclusion": words, "text": _text(words)}


def _study_without_images(context: ImagingContext, site: Site) -> Json:
    """The study with its series and how many images each has: to list thousands would take as long as the result."""
    bare = replace(context, series=tuple(replace(series, instances=()) for series in context.series))
    body = as_json(imaging_study(bare, site))
    counts = [len(series.instances) for series in context.series]
    listed = zip(body.get("series", []), counts, strict=True)
    series = [{**each, "numberOfInstances": count} for each, count in listed]
    return {**body, "numberOfInstances": sum(counts), **({"series": series} if series else {})}


def _text(words: str) -> Json:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(words)}</p></div>'}
