"""Codes of findings as coded concepts of DICOM."""

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from ainode_models.findings import Code


def concept(code: Code) -> CodedConcept:
    """Item of a Code Sequence (PS3.3 section 8); a value above 16 characters becomes ``LongCodeValue``."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def concepts_in(ds: Dataset, keyword: str) -> list[CodedConcept]:
    """Complete codes in one Code Sequence of a source; items without value, scheme or meaning are left out."""
    items = (_copy(item) for item in ds.get(keyword) or ())
    return [item for item in items if item is not None]


def _copy(item: Dataset) -> CodedConcept | None:
    value = item.get("CodeValue") or item.get("LongCodeValue")
    scheme, meaning = item.get("CodingSchemeDesignator"), item.get("CodeMeaning")
    if not (value and scheme and meaning):
        return None
    version = item.get("CodingSchemeVersion") or None
    return CodedConcept(str(value), str(scheme), str(meaning)[:64], None if version is None else str(version))
