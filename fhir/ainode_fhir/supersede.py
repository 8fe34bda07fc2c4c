"""Withdraw the report of a run that a later run of the same study replaces.

The earlier report and its Observations become ``entered-in-error``, R4's word for a record that is withdrawn:
receivers must heed it, as status is a modifier element, and most hide the record. ``cancelled`` would make an outdated
result look like a failed run; ``amended`` and ``corrected`` say that the record itself has the new content. The text
stays, behind a sentence that names its state; the new report points back by ``diagnosticReport-replaces``.
"""

from html import escape

from fhir.resources.R4B.bundle import Bundle

from ainode_fhir.bundle import CHANGEABLE, OUTDATED, WITHDRAWN, transaction
from ainode_fhir.datatypes import Json

SUPERSEDED = "SUPERSEDED by a later analysis of this study: do not use."
_TAKEN_AWAY = ("conclusionCode", "presentedForm")
"""What a reader could take for current: a page has no room for the sentence."""


def superseded(resource: Json) -> Json:
    """A report, Observation or document, withdrawn; any other resource as it is. Doing it twice changes nothing."""
    if resource["resourceType"] == "DocumentReference" and "context" in resource:  # the model's card has none
        return {**resource, "status": OUTDATED}
    if resource["resourceType"] not in CHANGEABLE or resource["status"] == WITHDRAWN:
        return resource
    withdrawn = {**resource, "status": WITHDRAWN}
    if resource["resourceType"] == "DiagnosticReport":
        withdrawn["conclusion"] = f"{SUPERSEDED} {resource.get('conclusion', '')}".strip()
        withdrawn["text"] = _marked(resource.get("text"))
    return {key: value for key, value in withdrawn.items() if key not in _TAKEN_AWAY and value}


def superseded_bundle(resources: list[Json], *, base_url: str) -> Bundle:
    """Transaction that withdraws an earlier result: give it ``ResourceStore.result_of(report)``, store it, push it."""
    return transaction([superseded(resource) for resource in resources], base_url=base_url)


def _marked(text: Json | None) -> Json | None:
    """The narrative with the same sentence first; the div is our own, so its opening tag is known."""
    if not text:
        return None
    opening, rest = text["div"].split(">", 1)
    return {"status": "generated", "div": f"{opening}><p>{escape(SUPERSEDED)}</p>{rest}"}
