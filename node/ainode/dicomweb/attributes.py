"""Attributes of studies and series that searches can ask for, in DICOM JSON (PS3.18 F)."""

from collections.abc import Iterable
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ainode.dicomweb.file_header import is_left_out
from ainode.volume.elements import UNREADABLE

Attributes = dict[str, dict[str, Any]]
"""Tag in eight hexadecimal digits -> ``vr`` and ``Value``."""

STUDY = (
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "TimezoneOffsetFromUTC"),
    *("StudyDescription", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "AdmittingDiagnosesDescription"),
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientBirthTime", "PatientSex"),
    *("OtherPatientIDsSequence", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup", "PatientComments"),
    *("StudyInstanceUID", "StudyID", "ProcedureCodeSequence"),
)
"""Kept of each study."""
STUDY_ANSWER = (
    *("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID"),
    *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
)
"""In every answer (PS3.18 Table 10.6.3-3)."""
SERIES = (
    *("Modality", "TimezoneOffsetFromUTC", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SeriesDate"),
    *("SeriesTime", "Laterality", "BodyPartExamined", "ProtocolName", "PatientPosition", "FrameOfReferenceUID"),
    *("Manufacturer", "ManufacturerModelName", "StationName", "InstitutionName"),
    *("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "RequestAttributesSequence"),
)
"""Kept of each series."""
SERIES_ANSWER = (
    *("Modality", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances"),
    *("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
)
"""In every answer (PS3.18 Table 10.6.3-4)."""
INSTANCE_ANSWER = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber")
"""In every answer (PS3.18 Table 10.6.3-5)."""
IF_KNOWN = (
    *("TimezoneOffsetFromUTC", "SeriesDescription", "RequestAttributesSequence"),
    *("Rows", "Columns", "BitsAllocated", "NumberOfFrames"),
)
"""In every answer where the header has them (the same tables)."""
_REQUEST_IDS = ("ScheduledProcedureStepID", "RequestedProcedureID")
_ALL = 1 << 31


def as_json(header: Dataset, keywords: Iterable[str]) -> Attributes:
    """Those of ``keywords`` that the header has; what holds no value of its kind is left out."""
    found: Attributes = {}
    for keyword in keywords:
        element = element_json(header, Tag(keyword))
        if element is not None:
            found[tag_of(keyword)] = element
    return found


def element_json(header: Dataset, tag: int) -> dict[str, Any] | None:
    """One element in DICOM JSON with its bytes, if any, inline; None when absent, damaged or too long."""
    try:
        return _plain(header[tag]) if tag in header and not is_left_out(header, tag) else None
    except (*UNREADABLE, RecursionError):
        return None


def tag_of(keyword: str) -> str:
    """Tag of a keyword in eight hexadecimal digits."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return f"{tag:08X}"


def single(keyword: str, *values: object) -> Attributes:
    """An attribute of ours."""
    vr = dictionary_VR(Tag(keyword))
    return {tag_of(keyword): {"vr": vr, "Value": list(values)} if values else {"vr": vr}}


def request_ids(header: Dataset) -> Attributes:
    """RequestAttributesSequence (0040,0275) with the two identifiers that a search answers, where they are."""
    items = [as_json(item, _REQUEST_IDS) for item in header.get("RequestAttributesSequence") or ()]
    found = [item for item in items if item]
    return single("RequestAttributesSequence", *found) if found else {}


def _plain(element: DataElement) -> dict[str, Any]:
    made: dict[str, Any] = element.to_json_dict(None, _ALL)
    return made
