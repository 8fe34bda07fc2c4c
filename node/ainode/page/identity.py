"""Whose page it is, as a document of the hospital says it."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from ainode.page import wording


@dataclass(frozen=True)
class Identity:
    """Patient and study, as texts that the page's font can write."""

    name: str
    patient_id: str
    birth_date: str
    sex: str
    accession: str
    study: str

    @classmethod
    def of(cls, header: Dataset, writable: Callable[[str], bool]) -> "Identity":
        """From a decoded header; what is absent says so, in both languages."""
        description = str(header.get("StudyDescription") or "")
        return cls(
            name=_name(header.get("PatientName"), writable),
            patient_id=_known(header.get("PatientID")),
            birth_date=_known(_date(header.get("PatientBirthDate"))),
            sex=_known(header.get("PatientSex")),
            accession=_known(header.get("AccessionNumber")),
            study=_known(" ".join(part for part in (_date(header.get("StudyDate")), description) if part)),
        )


def _name(value: PersonName | Sequence[object] | None, writable: Callable[[str], bool]) -> str:
    """The component groups (PS3.5 6.2.1.1) that can be written, the alphabetic one first: ``Yamada, Tarou``.

    A group in letters that the font lacks is left out; where nothing is left, the page says where the name is.
    """
    if not value:
        return str(wording.UNKNOWN)
    several = not isinstance(value, str | PersonName)  # a backslash in it makes several of it
    text = " ".join(map(str, value)) if several else str(value)
    groups = [_readable(group) for group in unicodedata.normalize("NFC", text).split("=")]
    written = [group for group in groups if group and writable(group)]
    if not written:
        return str(wording.OTHER_LETTERS)
    return written[0] + "".join(f" ({group})" for group in written[1:])


def _readable(group: str) -> str:
    """``Family^Given^Middle^Prefix^Suffix`` as ``Family, Prefix Given Middle Suffix``."""
    family, given, middle, prefix, suffix = (part.strip() for part in (group.split("^") + [""] * 5)[:5])
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def _date(value: object) -> str:
    """A DA with hyphens; anything else as it is."""
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdecimal() else text


def _known(value: object) -> str:
    return str(value or "").strip() or str(wording.UNKNOWN)
