"""Defects of FHIR resources: what R4, HL7's value sets and US Core do not allow."""

from collections.abc import Callable
from typing import Any

from ainode_conformance.defects.seeding import Defect
from ainode_fhir.datatypes import Json

_KIND = "segmentation: findings"


def _found(bundle: Json, kind: str, having: str = "resourceType") -> Json:
    bodies: list[Json] = [entry["resource"] for entry in bundle["entry"]]
    return next(body for body in bodies if body["resourceType"] == kind and having in body)


def _set(kind: str, value: Json, having: str = "resourceType") -> Callable[[Json], None]:
    return lambda bundle: _found(bundle, kind, having).update(value)


def _drop(kind: str, *elements: str) -> Callable[[Json], None]:
    def change(bundle: Json) -> None:
        body = _found(bundle, kind, elements[0])
        for element in elements:
            del body[element]

    return change


def _renamed(kind: str, old: str, new: str) -> Callable[[Json], None]:
    def change(bundle: Json) -> None:
        body = _found(bundle, kind, old)
        body[new] = body.pop(old)

    return change


def _of_bundle(**elements: Any) -> Callable[[Json], None]:
    return lambda bundle: bundle.update(elements)


def _as_text(bundle: Json) -> None:
    quantity = _found(bundle, "Observation", "valueQuantity")["valueQuantity"]
    quantity["value"] = str(quantity["value"])


def _single(bundle: Json) -> None:
    report = _found(bundle, "DiagnosticReport", "result")
    report["result"] = report["result"][0]


def _unlinked(bundle: Json) -> None:
    del bundle["entry"][0]["request"]["url"]


_REPORT, _OBSERVATION, _DEVICE = "DiagnosticReport", "Observation", "Device"
_FHIR: dict[str, Callable[[Json], None]] = {
    "status of no list": _set(_REPORT, {"status": "bogus"}),
    "status of R5": _set(_REPORT, {"status": "modified"}),
    "status of an Observation of no list": _set(_OBSERVATION, {"status": "guessed"}),
    "no status": _drop(_REPORT, "status"),
    "no code": _drop(_OBSERVATION, "code"),
    "element of R5: study": _renamed(_REPORT, "imagingStudy", "study"),
    "element of R5: bodyStructure": _set(_OBSERVATION, {"bodyStructure": {"display": "brain"}}),
    "element of nobody": _set("Patient", {"species": "human"}),
    "a Device performs": _set(_REPORT, {"performer": [{"reference": "Device/1"}]}),
    "derived from an ImagingSelection": _set(_OBSERVATION, {"derivedFrom": [{"reference": "ImagingSelection/1"}]}),
    "subject is a Device's definition": _set(_REPORT, {"subject": {"reference": "DeviceDefinition/1"}}),
    "instant without zone": _set(_REPORT, {"issued": "2026-01-04T11:22:33"}),
    "compact date": _set("Patient", {"birthDate": "19700101"}),
    "id with a space": _set(_REPORT, {"id": "not an id"}),
    "empty list": _set(_REPORT, {"conclusionCode": []}),
    "no list": _single,
    "number as text": _as_text,
    "value and reason for none (obs-6)": _set(_OBSERVATION, {"dataAbsentReason": {"text": "none"}}, "valueQuantity"),
    "narrative with a script": _set(
        _REPORT,
        {
            "text": {
                "status": "generated",
                "div": "<div xmlns='http://www.w3.org/1999/xhtml'><script>1</script></div>",
            }
        },
    ),
    "narrative without namespace": _set(_REPORT, {"text": {"status": "generated", "div": "<div>x</div>"}}),
    "narrative status of no list": _set(
        _REPORT, {"text": {"status": "fine", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}}
    ),
    "gender of no list": _set("Patient", {"gender": "F"}),
    "status of a Device of no list": _set(_DEVICE, {"status": "running"}),
    "no agent": _drop("Provenance", "agent"),
    "no target": _drop("Provenance", "target"),
    "no modality list": _set("ImagingStudy", {"modality": "MR"}),
    "status of an ImagingStudy of no list": _set("ImagingStudy", {"status": "done"}),
    "UID of a series missing": lambda bundle: _found(bundle, "ImagingStudy", "series")["series"][0].pop("uid"),
    "category is a text": _set(_REPORT, {"category": "Radiology"}),
    "US Core: no category": _drop(_REPORT, "category"),
    "US Core: no effective time (us-core-10)": _drop(_REPORT, "effectiveDateTime"),
    "bundle of no type": _of_bundle(type="parcel"),
    "entry without address": _unlinked,
}
FHIR = tuple(Defect(f"FHIR: {rule}", _KIND, ("report",), change) for rule, change in _FHIR.items())
