"""ServiceRequest: the order of a study, as known (https://hl7.org/fhir/R4/servicerequest.html).

From an order that came by HL7 v2 where there is one, else from the headers of the images, which do not tell its status.
Who ordered is left out: nobody is made up. Its id is a function of patient and accession number, so that an order that
comes later changes the same resource.
"""

from fhir.resources.R4B.servicerequest import ServiceRequest

from ainode_fhir.datatypes import (
    Json,
    coding,
    hl7_concept,
    issued_identifier,
    present,
    reference,
    resource_id,
)
from ainode_fhir.order import Number, Order
from ainode_fhir.patient import patient_reference
from ainode_fhir.site import Site
from ainode_fhir.study import ImagingContext
from ainode_models.findings import Code

ACCESSION, PLACER, FILLER = "ACSN", "PLAC", "FILL"
"""Identifier types of table 0203."""
_TYPES = {ACCESSION: "Accession ID", PLACER: "Placer Identifier", FILLER: "Filler Identifier"}
_IMAGING = Code("363679005", "SCT", "Imaging")
UNNAMED = "Imaging study"
"""What was ordered where nobody says more."""


def accession_identifier(context: ImagingContext, site: Site) -> Json | None:
    """The accession number of the study; None when nobody gave it one."""
    if not context.accession_number:
        return None
    number = issued_identifier(context.accession_number, context.accession_issuer, site.accession_system)
    return typed_identifier(ACCESSION, number)


def typed_identifier(kind: str, number: Json) -> Json:
    """An identifier that says which of the numbers of an order it is."""
    return {"type": hl7_concept("v2-0203", kind, _TYPES[kind]), **number}


def type_of(identifier: Json) -> str:
    """Which of the numbers of an order an identifier is; empty where it does not say."""
    codings = identifier.get("type", {}).get("coding", [{}])
    return str(codings[0].get("code", ""))


def order_identifiers(context: ImagingContext, site: Site) -> list[Json]:
    """The numbers by which a study's order is known, the accession number first; empty without that and a placer's."""
    accession, order = accession_identifier(context, site), context.order or Order()
    numbers = ((PLACER, order.placer), (FILLER, order.filler))
    others = [_number(kind, number) for kind, number in numbers if number.value]
    found = [*([accession] if accession else []), *others]
    return found if accession or order.placer.value else []


def order_reference(context: ImagingContext, site: Site) -> Json | None:
    """Reference to the order of a study, with its accession number for those who have it themselves."""
    found = order_identifiers(context, site)
    return reference_to(_id(context, site, found), found[0]) if found else None


def reference_to(identity: str, identifier: Json) -> Json:
    """Literal and logical reference to a ServiceRequest."""
    return {**reference("ServiceRequest", identity), "type": "ServiceRequest", "identifier": identifier}


def service_request(context: ImagingContext, site: Site) -> ServiceRequest | None:
    """The order of a study; None where neither an accession number nor a placer order number is known."""
    found = order_identifiers(context, site)
    if not found:
        return None
    order = context.order or Order()
    body = {
        "id": _id(context, site, found),
        "identifier": found,
        "status": order.status,
        "intent": "order",
        "category": [{"coding": [coding(_IMAGING)]}],
        "priority": order.priority,
        "code": _procedure(order.procedure, context.description),
        "subject": patient_reference(context, site),
        "occurrenceDateTime": order.wanted,
        "authoredOn": order.authored,
    }
    return ServiceRequest.model_validate(present(body))


def _id(context: ImagingContext, site: Site, found: list[Json]) -> str:
    patient: str = patient_reference(context, site)["reference"]
    first = found[0]
    return resource_id("ServiceRequest", patient, first["type"]["coding"][0]["code"], first["value"])


def _number(kind: str, number: Number) -> Json:
    return typed_identifier(kind, issued_identifier(number.value, number.issuer, None))


def _procedure(code: Code, description: str | None) -> Json:
    """What was ordered: the code with its words, the words alone, or those of the study."""
    text = code.meaning or description or code.value or UNNAMED
    return {**({"coding": [_coding(code)]} if code.value else {}), "text": text}


def _coding(code: Code) -> Json:
    return present(coding(code))
