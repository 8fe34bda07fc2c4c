"""By what studies, series and instances are searched (PS3.18 Table 10.6.1-5), and what a search asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from starlette.requests import Request

from ainode.dicomweb.problem import WebProblem
from ainode.journal.holdings import MODALITIES, Level, Match, Window
from ainode.journal.matching import Kind

KEYS: Mapping[str, tuple[str, Kind]] = MappingProxyType(
    {
        "StudyInstanceUID": ("study.study_uid", Kind.UID),
        "PatientID": ("study.patient_id", Kind.TEXT),
        "PatientName": ("study.patient_name", Kind.NAME),
        "AccessionNumber": ("study.accession_number", Kind.TEXT),
        "StudyDate": ("study.study_date", Kind.DATE),
        "StudyTime": ("study.study_time", Kind.TIME),
        "StudyID": ("study.study_id", Kind.TEXT),
        "StudyDescription": ("study.study_description", Kind.TEXT),
        "ReferringPhysicianName": ("study.referring_physician", Kind.NAME),
        "ModalitiesInStudy": (MODALITIES, Kind.TEXT),
        "SeriesInstanceUID": ("series.series_uid", Kind.UID),
        "Modality": ("series.modality", Kind.TEXT),
        "SeriesNumber": ("series.series_number", Kind.NUMBER),
        "SeriesDescription": ("series.series_description", Kind.TEXT),
        "PerformedProcedureStepStartDate": ("series.performed_date", Kind.DATE),
        "PerformedProcedureStepStartTime": ("series.performed_time", Kind.TIME),
        "RequestAttributesSequence.ScheduledProcedureStepID": ("series.scheduled_step_id", Kind.TEXT),
        "RequestAttributesSequence.RequestedProcedureID": ("series.requested_procedure_id", Kind.TEXT),
        "SOPClassUID": ("instance.sop_class_uid", Kind.UID),
        "SOPInstanceUID": ("instance.sop_instance_uid", Kind.UID),
    }
)
"""Keyword -> column and kind of matching."""
IN_HEADER = "InstanceNumber"
"""Compared with the header of each instance; no column has it."""
LARGEST_PAGE = 1000
"""Matches in one answer."""
_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept"})


@dataclass(frozen=True)
class Search:
    """One search, as the query of its address says."""

    matches: tuple[Match, ...]
    instance_number: str | None
    fields: frozenset[str]
    """Keywords that are wanted, besides those that are always answered."""
    everything: bool
    """Whether all attributes that there are are wanted."""
    window: Window
    warnings: tuple[str, ...]


def read_search(request: Request, level: Level) -> Search:
    """The search that ``request`` asks for; WebProblem 400 when it cannot be made."""
    query = request.query_params
    given = {_keyword(name): value for name, value in query.multi_items() if name not in _CONTROLS and value}
    for name in given:
        _check(name, level)
    fields = [field for text in query.getlist("includefield") for field in text.split(",") if field]
    fuzzy = query.get("fuzzymatching", "false").lower() == "true"
    return Search(
        matches=tuple(Match(*KEYS[name], value) for name, value in given.items() if name != IN_HEADER),
        instance_number=given.get(IN_HEADER),
        fields=frozenset(_keyword(field) for field in fields) | frozenset(name.partition(".")[0] for name in given),
        everything="all" in fields,
        window=Window(min(_number(request, "limit", LARGEST_PAGE), LARGEST_PAGE), _number(request, "offset", 0)),
        warnings=("The fuzzymatching parameter is not supported. Only literal matching has been performed.",)
        if fuzzy
        else (),
    )


def _check(name: str, level: Level) -> None:
    instance = name == IN_HEADER or (name in KEYS and KEYS[name][0].startswith("instance."))
    if (name in KEYS or name == IN_HEADER) and (level == "instance" or not instance):
        return
    usable = [*KEYS, IN_HEADER] if level == "instance" else [key for key in KEYS if not key.startswith("SOP")]
    # The name came from outside, and might be a value in the wrong place.
    raise WebProblem(400, f"one of the parameters cannot be searched by; these can: {', '.join(usable)}")


def _keyword(name: str) -> str:
    """Keyword, or keywords joined by dots, of an attribute that is given so or by tags (PS3.18 8.3.4.1)."""
    return ".".join(_one_keyword(part) for part in name.split("."))


def _one_keyword(part: str) -> str:
    if len(part) == 8 and all(sign in "0123456789abcdefABCDEF" for sign in part):
        return keyword_for_tag(int(part, 16)) or part.upper()
    return part if tag_for_keyword(part) else part.lower() if part == "all" else part


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise WebProblem(400, f"{name} is a whole number from 0 on")
    return int(text) if text else default
