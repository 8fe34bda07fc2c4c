"""The DICOM objects of runs as series of an ImagingStudy, and the study that lists those of several runs.

Each run knows its own objects alone. So the store adds, in the transaction that writes a study, the series of earlier
runs: they are told from the images by their performer, which is a model.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

from ainode_fhir.datatypes import URI, Json
from ainode_fhir.study import Kind, ResultObject

MODALITIES: Mapping[Kind, str] = MappingProxyType(
    {"SEG": "SEG", "PM": "OT", "SC": "OT", "SR": "SR", "TREE": "SR", "PDF": "DOC"}
)
"""``Modality`` that our writers give each kind of object."""
OBJECT_NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        "SEG": "Segmentation",
        "PM": "Parametric Map",
        "SC": "Secondary Capture",
        "SR": "Structured Report",
        "TREE": "Basic Text SR",
        "PDF": "Encapsulated PDF",
    }
)
"""What each kind of object is called."""


def modality(code: str) -> Json:
    """Coding of a modality (CID 33)."""
    return {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code}


def instance(uid: str, sop_class_uid: str) -> Json:
    """``ImagingStudy.series.instance`` of one object."""
    return {"uid": uid, "sopClass": {"system": URI, "code": f"urn:oid:{sop_class_uid}"}}


def result_series(objects: Sequence[ResultObject], performer: Json) -> list[Json]:
    """One series for each that the objects of a run are in; ``performer`` refers to the model's Device."""
    in_order = sorted(objects, key=lambda item: item.series_uid)
    return [_series(uid, list(items), performer) for uid, items in groupby(in_order, lambda item: item.series_uid)]


def whole_study(earlier: Json, later: Json) -> Json:
    """``later``, an ImagingStudy, with the series that other runs added to ``earlier``."""
    listed = {series["uid"] for series in later.get("series", [])}
    kept = [series for series in earlier.get("series", []) if series["uid"] not in listed and _is_result(series)]
    return counted({**later, "series": [*later.get("series", []), *kept]}) if kept else later


def counted(study: Json) -> Json:
    """An ImagingStudy, results behind images, whose numbers are those of its series.

    Its modalities are those of the images alone: R4 asks for acquisition modalities (CID 29), which SEG, SR and DOC are
    not. Searches by modality look at the series.
    """
    series = sorted(
        study.get("series", []), key=lambda each: (_is_result(each), each["uid"] if _is_result(each) else "")
    )
    codes = sorted({each["modality"]["code"] for each in series if not _is_result(each)})
    return {
        **{key: value for key, value in study.items() if key != "modality"},
        **({"modality": [modality(code) for code in codes]} if codes else {}),
        "numberOfSeries": len(series),
        "numberOfInstances": sum(each["numberOfInstances"] for each in series),
        "series": series,
    }


def _series(uid: str, objects: Sequence[ResultObject], performer: Json) -> Json:
    kind = objects[0].kind
    return {
        "uid": uid,
        "modality": modality(MODALITIES[kind]),
        "description": f"{OBJECT_NAMES[kind]} ({performer['display']}), not verified",
        "numberOfInstances": len(objects),
        "performer": [{"actor": performer}],
        "instance": [instance(item.sop_instance_uid, item.sop_class_uid) for item in objects],
    }


def _is_result(series: Json) -> bool:
    actors: list[Any] = [performer["actor"] for performer in series.get("performer", [])]
    return any(actor.get("reference", "").startswith("Device/") for actor in actors)
