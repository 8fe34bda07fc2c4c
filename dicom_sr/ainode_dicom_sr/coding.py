"""Codes of findings as coded concepts of DICOM."""

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from ainode_models.findings import Code
from ainode_models.uids import derived_uid

PRIVATE = "99AINODE"
"""Designator of our own codes, for what no standard has: the certainty of an ensemble, and its nets."""
_PRIVATE_UID = derived_uid("coding scheme", PRIVATE)

_SCHEMES = {
    "2.16.840.1.113883.6.1": "LN",
    "2.16.840.1.113883.6.96": "SCT",
    "2.16.840.1.113883.6.256": "RADLEX",
    "1.2.840.10008.2.16.4": "DCM",
}
"""Designators of PS3.16 Table 8-1, for sources that wrote the UID of the scheme instead, as HL7 does."""


def concept(code: Code) -> CodedConcept:
    """Item of a Code Sequence (PS3.3 section 8); a value above 16 characters becomes ``LongCodeValue``."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def private_scheme() -> Dataset:
    """Item of ``CodingSchemeIdentificationSequence`` (0008,0110) that says whose `PRIVATE` codes are."""
    item = Dataset()
    item.CodingSchemeDesignator, item.CodingSchemeUID = PRIVATE, _PRIVATE_UID
    item.CodingSchemeName, item.CodingSchemeResponsibleOrganization = "ainode", "ainode project"
    return item


def concepts_in(ds: Dataset, keyword: str) -> list[CodedConcept]:
    """Codes in one Code Sequence of a source; items that lack a part, or whose scheme breaks SH, are left out."""
    items = (_copy(item) for item in ds.get(keyword) or ())
    return [item for item in items if item is not None]


def _copy(item: Dataset) -> CodedConcept | None:
    value = item.get("CodeValue") or item.get("LongCodeValue")
    scheme, meaning = str(item.get("CodingSchemeDesignator") or ""), item.get("CodeMeaning")
    scheme = _SCHEMES.get(scheme, scheme)
    if not (value and meaning and 0 < len(scheme) <= 16):
        return None
    version = item.get("CodingSchemeVersion") or None
    return CodedConcept(str(value), scheme, str(meaning)[:64], None if version is None else str(version))
