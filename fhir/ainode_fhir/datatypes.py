"""FHIR data types as JSON: codings, identifiers, references, quantities and times (https://hl7.org/fhir/R4/datatypes.html)."""

from datetime import date, datetime
from typing import Any

from ainode_models.digits import reported
from ainode_models.errors import EncodingError
from ainode_models.findings import Code
from ainode_models.uids import derived_uid, derived_uuid

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
DICOM_UID = "urn:dicom:uid"
URI = "urn:ietf:rfc:3986"
RUN_SYSTEM = "urn:oid:" + derived_uid("fhir identifier system", "run")
"""Identifier system of run ids: an OID below 2.25 needs no registration (PS3.5 B.2)."""
OWN_SYSTEM = "urn:oid:" + derived_uid("fhir identifier system", "node")
"""Identifier system of what has no identifier but ours. No ``urn:uuid:``: a server that puts its own ids in place of a
transaction's ``fullUrl`` does so in such a value too, and never finds it again (seen with Medplum 4.5)."""
UNIDENTIFIED_SYSTEM = "urn:oid:" + derived_uid("fhir identifier system", "unidentified patient")
"""Identifier system of patients without ``PatientID``; the value is the UID of the one study they are known by."""

_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "NCIt": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "LN": "http://loinc.org",
    "UCUM": UCUM,
    "RADLEX": "http://radlex.org",
    "99AINODE": "urn:oid:" + derived_uid("coding scheme", "99AINODE"),
}


def resource_id(*parts: str) -> str:
    """Logical id that is a function of ``parts`` alone, so that encoding again makes the same resource."""
    return str(derived_uuid("fhir", *parts))


def coding(code: Code) -> Json:
    """Coding with the URI of its scheme (https://terminology.hl7.org); a scheme without one keeps code and display."""
    system = _SYSTEMS.get(code.scheme)
    return {**({"system": system} if system else {}), "code": code.value, "display": code.meaning}


def concept(code: Code, text: str | None = None) -> Json:
    """CodeableConcept of one code; ``text`` is what people read, the code's meaning unless given."""
    return {"coding": [coding(code)], "text": text or code.meaning}


def quantity(value: float, unit: str) -> Json:
    """Quantity in a UCUM ``unit``, with the five significant digits of the Structured Report."""
    return {"value": reported(value), "unit": unit, "system": UCUM, "code": unit}


def uid_identifier(uid: str) -> Json:
    """Identifier of a DICOM UID (https://hl7.org/fhir/R4/imagingstudy.html#imaging-study-identifiers)."""
    return {"system": DICOM_UID, "value": f"urn:oid:{uid}"}


def issued_identifier(value: str, issuer: str | None, system: str | None) -> Json:
    """Identifier whose issuer is a URI, which becomes the system, or a name, which becomes the assigner."""
    if issuer and ":" in issuer:
        return {"system": issuer, "value": value}
    assigner: Json = {"assigner": {"display": issuer}} if issuer else {}
    return {**({"system": system} if system else {}), "value": value, **assigner}


def reference(kind: str, identity: str, display: str | None = None) -> Json:
    """Literal reference to a resource of this node."""
    return {"reference": f"{kind}/{identity}", **({"display": display} if display else {})}


def instant(moment: datetime) -> str:
    """FHIR instant; raises EncodingError for a time without zone, which FHIR does not allow."""
    if moment.tzinfo is None:
        raise EncodingError(f"the time {moment.isoformat()} has no zone: give it that of the site")
    return moment.isoformat()


def date_time(moment: datetime | date) -> str:
    """FHIR dateTime of a moment with zone, or of a day."""
    return instant(moment) if isinstance(moment, datetime) else moment.isoformat()


def hl7_coding(system: str, code: str, display: str) -> Json:
    """Coding of HL7's own terminology, ``http://terminology.hl7.org/CodeSystem/`` + ``system``."""
    return {"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code, "display": display}


def hl7_concept(system: str, code: str, display: str) -> Json:
    """CodeableConcept of one code of HL7's own terminology."""
    return {"coding": [hl7_coding(system, code, display)]}


def ai_label() -> Json:
    """The security label of everything that a model says (HL7 AI Transparency, tag of a resource)."""
    return hl7_coding("v3-ObservationValue", "AIAST", "Artificial Intelligence asserted")


def present(body: Json) -> Json:
    """``body`` without what is None or empty: FHIR JSON allows neither (https://hl7.org/fhir/R4/json.html)."""
    return {key: value for key, value in body.items() if value not in (None, [], {}, "")}
