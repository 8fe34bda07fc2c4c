"""ORU^R01 of one report (HL7 v2.5.1 chapter 7.3.1), from the resources of its FHIR bundle.

Nothing in it is final: results are stored and not verified (R), not there (X), or withdrawn (C, W).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from ainode_fhir.bundle import WITHDRAWN
from ainode_fhir.datatypes import RUN_SYSTEM, Json
from ainode_fhir.hl7v2.segment import Escaped, Field, segment, sub_components
from ainode_fhir.service_request import ACCESSION, PLACER, type_of
from ainode_models.uids import derived_uid

_SYSTEMS = MappingProxyType(
    {
        "http://snomed.info/sct": "SCT",
        "http://loinc.org": "LN",
        "http://dicom.nema.org/resources/ontology/DCM": "DCM",
        "http://unitsofmeasure.org": "UCUM",
        "http://terminology.hl7.org/CodeSystem/umls": "UMLS",
    }
)
"""Table 0396; what is not there is a local code, 99AINODE."""
_SEX = MappingProxyType({"male": "M", "female": "F", "other": "O"})
_FAILED = "cancelled"
_RESULT_STATUS = MappingProxyType({_FAILED: "X", WITHDRAWN: "C", "preliminary": "P"})
"""Table 0123, of the whole; else R, stored and not yet verified."""
_OBSERVATION_STATUS = MappingProxyType({_FAILED: "X", WITHDRAWN: "W"})
"""Table 0085, of one observation; else that of the whole: R, entered and not verified, or P."""
_STUDY_UID = ("113014", "DICOM Study", "DCM")
"""As the IHE Radiology profiles name the study of a result."""


@dataclass(frozen=True)
class Parties:
    """Who sends and who receives (MSH-3 to MSH-6)."""

    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str


def messages(resources: list[Json], parties: Parties) -> Iterator[tuple[str, str]]:
    """Control id and text of a message for each report among ``resources``; the same for the same report and status."""
    found = {f"{body['resourceType']}/{body['id']}": body for body in resources}
    for report in resources:
        if report["resourceType"] == "DiagnosticReport":
            yield _control_id(report), "\r".join(_segments(report, found, parties)) + "\r"


def _control_id(report: Json) -> str:
    """At most 20 characters (MSH-10), the same when the message is sent again."""
    return derived_uid("hl7v2", report["id"], report["status"]).removeprefix("2.25.")[:20]


def _segments(report: Json, found: Mapping[str, Json], parties: Parties) -> Iterator[str]:
    issued = _moment(report["issued"])
    yield segment(
        "MSH",
        {
            3: parties.sending_application,
            4: parties.sending_facility,
            5: parties.receiving_application,
            6: parties.receiving_facility,
            7: issued,
            9: ("ORU", "R01", "ORU_R01"),
            10: _control_id(report),
            11: "P",
            12: "2.5.1",
            18: "UNICODE UTF-8",
        },
    )
    yield _pid(found[report["subject"]["reference"]])
    order: dict[int, Field] = {3: (_run_id(report), parties.sending_application)}
    numbers = _order_numbers(report, found)
    if PLACER in numbers:
        order[2] = _entity(numbers[PLACER])
    yield segment("ORC", {1: "RE", **order})
    yield segment(
        "OBR",
        {
            1: "1",
            **order,
            4: _coded(report["code"]),
            7: _moment(report.get("effectiveDateTime") or report["issued"]),
            18: numbers.get(ACCESSION, {}).get("value", ""),
            22: issued,
            24: "RAD",
            25: _RESULT_STATUS.get(report["status"], "R"),
        },
    )
    for number, line in enumerate(report.get("conclusion", "").splitlines(), start=1):
        yield segment("NTE", {1: str(number), 2: "L", 3: line})
    yield from _observations(report, found)


def _observations(report: Json, found: Mapping[str, Json]) -> Iterator[str]:
    withdrawn, number = report["status"] == WITHDRAWN, 1
    status = _status(report["status"], report)
    yield segment("OBX", {1: "1", 2: "ST", 3: _STUDY_UID, 5: _study_uid(report, found), 11: status})
    for group, pointer in enumerate(report.get("result", ()), start=1):
        for body in _with_members(found[pointer["reference"]], found):
            for part in (body, *({**each, "status": body["status"]} for each in body.get("component", ()))):
                number += 1
                yield _obx(part, str(number), str(group), report)
                for line, note in enumerate(() if withdrawn else part.get("note", ()), start=1):
                    yield segment("NTE", {1: str(line), 2: "L", 3: note["text"]})


def _with_members(body: Json, found: Mapping[str, Json]) -> Iterator[Json]:
    yield body
    for pointer in body.get("hasMember", ()):
        yield from _with_members(found[pointer["reference"]], found)


def _status(status: str, report: Json) -> str:
    """OBX-11 of what has a FHIR ``status``."""
    return _OBSERVATION_STATUS.get(status, "P" if report["status"] == "preliminary" else "R")


def _obx(body: Json, number: str, group: str, report: Json) -> str:
    """One value; what was withdrawn or is not there has none, so that nobody can take it for a result."""
    status = report["status"] if report["status"] in _OBSERVATION_STATUS else body["status"]
    fields: dict[int, Field] = {1: number, 3: _coded(body["code"]), 4: group, 11: _status(status, report)}
    if status not in _OBSERVATION_STATUS:
        fields |= _value(body)
    elif reason := body.get("dataAbsentReason"):
        fields |= {2: "ST", 5: reason.get("text", "")}
    return segment("OBX", fields)


def _value(body: Json) -> dict[int, Field]:
    """OBX-2, 5 and 6."""
    if concept := body.get("valueCodeableConcept"):
        return {2: "CWE", 5: _coded(concept)}
    if quantity := body.get("valueQuantity"):
        unit = quantity.get("code", "")
        return {2: "NM", 5: f"{Decimal(str(quantity['value'])):f}", 6: (unit, quantity.get("unit", unit), "UCUM")}
    return {2: "ST", 5: body.get("valueString", "")}


def _pid(patient: Json) -> str:
    identifier = patient["identifier"][0]
    name = patient.get("name", [{}])[0].get("text", "")
    return segment(
        "PID",
        {
            1: "1",
            3: (identifier["value"], "", "", _authority(identifier.get("system", "")), "MR"),
            5: (name, *[""] * 5, "D"),  # a name to display (table 0200): FHIR has it as one text
            7: patient.get("birthDate", "").replace("-", ""),
            8: _SEX.get(patient.get("gender", ""), ""),
        },
    )


def _authority(system: str) -> Escaped:
    """HD of an identifier system: an OID, or a URI."""
    if not system:
        return Escaped("")
    oid = system.removeprefix("urn:oid:")
    return sub_components("", oid, "ISO" if oid != system else "URI")


def _coded(concept: Json) -> Field:
    """CWE: code, text and coding system; the words alone where there is no code."""
    coding = concept.get("coding", [{}])[0]
    if "code" not in coding:
        return ("", concept.get("text", ""))
    return (
        coding["code"],
        coding.get("display", concept.get("text", "")),
        _SYSTEMS.get(coding.get("system"), "99AINODE"),
    )


def _moment(text: str) -> str:
    """TS, in UTC to the second; a date stays a date."""
    if len(text) <= 10:
        return text.replace("-", "")
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _run_id(report: Json) -> str:
    return next(str(one["value"]) for one in report["identifier"] if one.get("system") == RUN_SYSTEM)


def _order_numbers(report: Json, found: Mapping[str, Json]) -> Mapping[str, Json]:
    """The identifiers of the order by their type: those of the ServiceRequest, else the one in the reference to it."""
    pointers = report.get("basedOn", ())
    bodies = [found.get(each.get("reference", ""), {}) for each in pointers]
    known = [one for body in bodies for one in body.get("identifier", ())]
    known += [each["identifier"] for each in pointers if "identifier" in each]
    return {type_of(one): one for one in reversed(known)}


def _entity(identifier: Json) -> Field:
    """EI: the number, and its issuer by name, or as an OID or URI."""
    system = identifier.get("system", "")
    oid = system.removeprefix("urn:oid:")
    name = identifier.get("assigner", {}).get("display", "")
    return (identifier["value"], name, oid, ("ISO" if oid != system else "URI") if system else "")


def _study_uid(report: Json, found: Mapping[str, Json]) -> str:
    study = found[report["imagingStudy"][0]["reference"]]
    return str(study["identifier"][0]["value"]).removeprefix("urn:oid:")
