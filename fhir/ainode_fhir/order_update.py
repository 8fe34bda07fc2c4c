"""Brings a study's resources in line with an order that came after the report.

The resources of the store are read back into a context, so that what is written is what an encoder would have written
had the order come first: the same ids, the same references. Nothing but ``basedOn``, the study's accession number and
the ServiceRequest changes.
"""

from collections.abc import Iterator
from dataclasses import replace

from fhir.resources.R4B.bundle import Bundle

from ainode_fhir.bundle import as_json, transaction
from ainode_fhir.datatypes import DICOM_UID, UNIDENTIFIED_SYSTEM, Json, resource_id
from ainode_fhir.order import Number, Order
from ainode_fhir.query import MAX_COUNT
from ainode_fhir.search import parse_search
from ainode_fhir.service_request import ACCESSION, accession_identifier, order_reference, service_request, type_of
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.study import ImagingContext

_URN = "urn:oid:"


def studies_of(order: Order, store: ResourceStore, site: Site) -> Iterator[ImagingContext]:
    """The studies of the store that may be those of an order: by Study Instance UID, or by accession number."""
    found: dict[str, Json] = {}
    if order.study_uid:
        stored = store.read("ImagingStudy", resource_id("ImagingStudy", order.study_uid))
        found |= {stored.id: stored.content} if stored and not stored.deleted else {}
    if order.accession.value:
        value = _escaped(order.accession.value)
        found |= {body["id"]: body for body in _all(store, "ImagingStudy", "identifier", value)}
    return (_context(body, store, site) for body in found.values())


def updated(context: ImagingContext, store: ResourceStore, site: Site, *, known: bool = True) -> Bundle | None:
    """What changes in the store now that ``context`` has its order; None where no number of the order is known.

    ``known``: whether what the store says of the order, and ``context`` does not, holds still.
    """
    requested, pointer = service_request(context, site), order_reference(context, site)
    if requested is None or pointer is None:
        return None
    accession = accession_identifier(context, site)
    study_id = resource_id("ImagingStudy", context.study_uid)
    study = store.read("ImagingStudy", study_id)
    assert study  # which the context was read from
    stored = store.read("ServiceRequest", str(requested.id)) if known else None
    request = _with_known(as_json(requested), stored.content if stored and not stored.deleted else {})
    named = any(type_of(one) == ACCESSION for one in study.content["identifier"])
    numbers = study.content["identifier"] if named or not accession else [*study.content["identifier"], accession]
    about = f"ImagingStudy/{study_id}"
    bodies = [
        {**study.content, "identifier": numbers},
        *_all(store, "DiagnosticReport", "imagingStudy", about),
        *_all(store, "Observation", "derived-from", about),
    ]
    return transaction([request, *({**body, "basedOn": [pointer]} for body in bodies)], base_url=site.base_url)


def with_order(context: ImagingContext, order: Order) -> ImagingContext:
    """``context`` with what an order says; what the images say of accession number and issuer stays."""
    merged = replace(context, order=order.over(context.order or Order()))
    if context.accession_number or not order.accession.value:
        return merged
    return replace(merged, accession_number=order.accession.value, accession_issuer=order.accession.issuer or None)


def patient_number(context: ImagingContext, site: Site) -> Number:
    """The patient of a study, to compare with that of an order; the site's own, where the images name no issuer."""
    return Number(context.patient_id or "", context.patient_issuer or site.patient_system or "")


def accession_number(context: ImagingContext, site: Site) -> Number:
    """The accession number of a study, in the same way."""
    return Number(context.accession_number or "", context.accession_issuer or site.accession_system or "")


def _context(body: Json, store: ResourceStore, site: Site) -> ImagingContext:
    """What a stored study says of itself, its patient and its order's number."""
    stored = store.read("Patient", body["subject"]["reference"].removeprefix("Patient/"))
    patient = stored.content["identifier"][0] if stored else {}
    identified = bool(patient) and patient.get("system") != UNIDENTIFIED_SYSTEM
    accession: Json = next((one for one in body["identifier"] if type_of(one) == ACCESSION), {})
    uid = next(one["value"] for one in body["identifier"] if one.get("system") == DICOM_UID)
    return ImagingContext(
        study_uid=uid.removeprefix(_URN),
        patient_id=patient["value"] if identified else None,
        patient_issuer=_issuer(patient, site.patient_system) if identified else None,
        accession_number=accession.get("value"),
        accession_issuer=_issuer(accession, site.accession_system),
        description=body.get("description"),
    )


def _issuer(identifier: Json, default: str | None) -> str | None:
    """What ``issued_identifier`` was given."""
    named: str | None = identifier.get("assigner", {}).get("display")
    system: str | None = identifier.get("system")
    return named or (system if system != default else None)


def _with_known(body: Json, known: Json) -> Json:
    """``body`` with the numbers that only the headers of the images told, and their words for what was ordered.

    They are told apart by the status, which images do not tell: two orders are never mixed.
    """
    if known.get("status") != "unknown":
        return body
    told = {type_of(one) for one in body["identifier"]}
    numbers = [*body["identifier"], *(one for one in known.get("identifier", ()) if type_of(one) not in told)]
    code = known.get("code", body["code"]) if "coding" not in body["code"] else body["code"]
    return {**body, "identifier": numbers, "code": code}


def _all(store: ResourceStore, kind: str, parameter: str, value: str) -> list[Json]:
    """Every resource of a search."""
    found: list[Json] = []
    following: str | None = ""
    while following is not None:
        pairs = [(parameter, value), ("_count", str(MAX_COUNT)), *([("_page", following)] if following else [])]
        page = store.search(parse_search(kind, pairs, strict=True))
        found += [stored.content for stored in page.resources]
        following = page.next
    return found


def _escaped(value: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\,|$" else letter for letter in value)
