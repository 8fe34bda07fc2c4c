"""Elements of any object, as values that are there or not: a foreign object may hold anything."""

import math

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import DA, DT, TM, PersonName

from ainode_dicom_sr.unreadable import UNREADABLE
from ainode_models.findings import Code


def element(ds: Dataset, keyword: str) -> object:
    """The value as pydicom gives it; None where it is absent or its bytes are damaged."""
    try:
        value: object = ds.get(keyword)
    except UNREADABLE:
        return None
    return value


def text(ds: Dataset, keyword: str) -> str | None:
    """A text, name, UID, date or time, of any VR; several values keep their backslash; None where there is none."""
    value = element(ds, keyword)
    if isinstance(value, MultiValue):
        value = "\\".join(map(str, value))
    if isinstance(value, str | PersonName | int | float | DA | DT | TM):
        return str(value).rstrip("\0 ") or None
    return None


def texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """Each of several texts."""
    return tuple((text(ds, keyword) or "").split("\\")) if text(ds, keyword) else ()


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """All values as finite numbers; empty where one of them is none."""
    value = element(ds, keyword)
    values = value if isinstance(value, MultiValue | list) else [value]
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in values):
        return ()
    return tuple(map(float, values))


def number(ds: Dataset, keyword: str) -> float | None:
    """The one value as a finite number."""
    found = numbers(ds, keyword)
    return found[0] if len(found) == 1 else None


def whole(ds: Dataset, keyword: str) -> int | None:
    """The one value as a whole number."""
    found = number(ds, keyword)
    return None if found is None else int(found)


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence; none where the element is none."""
    value = element(ds, keyword)
    return tuple(value) if isinstance(value, Sequence) else ()


def code(ds: Dataset, keyword: str) -> Code | None:
    """The first code of a Code Sequence, whose parts may be empty; None where there is nothing of one."""
    for item in items(ds, keyword)[:1]:
        value = text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue")
        found = Code(value or "", text(item, "CodingSchemeDesignator") or "", text(item, "CodeMeaning") or "")
        return found if found.value or found.meaning else None
    return None
