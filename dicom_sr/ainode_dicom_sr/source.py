"""What a result takes over from the images that it describes: patient, study, text encoding, time zone."""

import copy
from collections.abc import Sequence
from datetime import datetime

from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from ainode_dicom_sr.coding import concepts_in
from ainode_models.errors import EncodingError

_IDENTIFYING = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)

_CHECKED_GROUPS = {0x0008, 0x0010, 0x0012, 0x0038}
_CHECKED_VRS = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "TM"})


def require(datasets: Sequence[Dataset], keywords: Sequence[str]) -> None:
    """Raise ``EncodingError`` that names every one of ``keywords`` that the first poor data set lacks."""
    if not datasets:
        raise EncodingError("a result needs the images that it describes; none were given")
    for number, ds in enumerate(datasets):
        missing = [keyword for keyword in keywords if not ds.get(keyword)]
        if missing:
            raise EncodingError(
                f"source image {number} lacks {', '.join(missing)}: "
                "the result cannot refer to it; correct the series in the PACS and send it again"
            )


def decoded_header(source: Dataset) -> Dataset:
    """Deep copy of ``source`` without pixels, with every text decoded, so that it can be written anew.

    Of patient and study, dates, ages, numbers, codes and sequences that break their VR, and sequences without items,
    are left out, as they would make every result invalid. Names, identifiers and UIDs stay whatever they are: they say
    who it is. Raises EncodingError when sequences are nested so deeply that they cannot be copied.
    """
    try:
        return _decoded(source)
    except RecursionError as exc:
        raise EncodingError(
            "a source image has sequences nested too deeply to be copied: have the PACS correct it and send it again"
        ) from exc


def _decoded(source: Dataset) -> Dataset:
    header = Dataset()
    for element in source:
        if element.tag.group == 0x7FE0:
            continue
        if element.tag.group in _CHECKED_GROUPS and element.VR == "SQ" and element.is_empty:
            continue  # of patient and study, all are type 3 and need an item
        if element.tag.group not in _CHECKED_GROUPS or _is_valid(element, _CHECKED_VRS):
            header.add(copy.deepcopy(element))
        elif codes := concepts_in(source, element.keyword) if element.keyword.endswith("CodeSequence") else []:
            header.add(DataElement(element.tag, "SQ", codes))
    header.decode()
    return header


def _is_valid(element: DataElement, vrs: frozenset[str]) -> bool:
    if element.is_empty:
        return True
    if element.VR == "SQ":
        return all(_is_valid(nested, vrs | {"SH", "LO"}) for item in element.value for nested in item)
    values = [str(value) for value in (element.value if element.VM > 1 else [element.value])]
    if element.keyword == "PatientSex":
        return {"M", "F", "O"}.issuperset(values)
    try:
        for value in values if element.VR in vrs else ():
            validate_value(element.VR, value, RAISE)
    except ValueError:
        return False
    return True


def without_identity(header: Dataset) -> Dataset:
    """Copy of ``header`` in which all type 2 attributes of patient and study are present and empty.

    highdicom reads them all, fails where one is absent and repeats odd values in warnings; neither is wanted.
    """
    blank = Dataset()
    blank.update(header)
    for keyword in _IDENTIFYING:
        blank.pop(keyword, None)
        setattr(blank, keyword, None)
    return blank


def local_time(moment: datetime, header: Dataset) -> datetime:
    """``moment`` in the time zone of the source where it states one, else in the zone that it came with.

    Dates and times of an object are in the zone of ``TimezoneOffsetFromUTC`` (0008,0201), PS3.3 C.12.1.1.8.
    """
    offset = timezone_offset(header)
    return moment if offset is None else moment.astimezone(datetime.strptime(offset, "%z").tzinfo)


def timezone_offset(header: Dataset) -> str | None:
    """``TimezoneOffsetFromUTC`` of the source, None where it is absent or is none."""
    offset = str(header.get("TimezoneOffsetFromUTC") or "").strip()
    try:
        datetime.strptime(offset, "%z")
    except ValueError:
        return None
    return offset


def series_number(header: Dataset, base: int) -> int:
    """``SeriesNumber`` for a result: ``base`` and the number of the reference series, within the range of IS."""
    number = base + int(header.get("SeriesNumber") or 0)
    return number if 0 < number < 2**31 else base
