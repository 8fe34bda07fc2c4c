"""Concept names that the reader knows, by their code; retired codes and wrong standard schemes are seen through."""

from pydicom.sr._snomed_dict import mapping as snomed_mapping  # pydicom compares codes by it, and offers no other

from ainode_dicom_sr.reader_tree import Item
from ainode_models.findings import Code

ABSENT = "373572006"
ALGORITHM_FAMILY = "111000"
ALGORITHM_MANUFACTURER = "122405"
ALGORITHM_NAME = "111001"
ALGORITHM_PARAMETERS = "111002"
ALGORITHM_VERSION = "111003"
CATEGORY = "276214006"
COMMENT = "121106"
COUNTRY = "121046"
DERIVATION = "121401"
FINDING = "121071"
FINDING_SITE = "363698007"
IMAGE_LIBRARY = "111028"
LANGUAGE = "121049"
LATERALITY = "272741003"
METHOD = "370129005"
OBSERVER_TYPE = "121005"
PROCEDURE = "121058"
SERIES = "112002"
SEGMENTED_SERIES = "121232"
SHORT_LABEL = "125309"
SUMMARY = "111017"
TRACKING_ID = "112039"
TRACKING_UID = "112040"

GROUPS = frozenset({"125007", "AIR004"})
"""Measurement Group, and Child Node of the result tree of IHE AIR A.3.1.1."""
GROUP_TEMPLATES = frozenset({"1410", "1411", "1501"})
SECTIONS = frozenset({"126000", "126010", "126011", "C0034375", "111064", "111063", "111065", "111022"})
"""Containers whose items say something of the whole: TID 1500, and the summaries of detections of TID 4000."""
SUBJECT = frozenset({str(number) for number in range(121024, 121037)})
"""TID 1006 to 1009: who was observed."""

_STANDARD = frozenset({"DCM", "SCT", "SNM3", "UMLS", "NCIt", "99IHE"})
_PUBLIC = _STANDARD | {"SRT", "LN", "RADLEX", "RadElement", "IBSI", "UCUM", "FMA", "NEU", "ITIS_TSN", "BI"}
_OF_SNOMED = frozenset({ABSENT, CATEGORY, FINDING_SITE, LATERALITY, METHOD})
_RETIRED = snomed_mapping["SRT"]


def key(name: Code | None) -> str:
    """The code of a concept of a standard scheme, as it is today; empty for any other.

    Vendors write codes of SNOMED with DICOM's scheme and the other way round; no code known here is in both.
    """
    if name is None:
        return ""
    if name.scheme == "SRT":
        return str(_RETIRED.get(name.value, name.value))
    return name.value if name.scheme in _STANDARD else ""


def is_group(item: Item) -> bool:
    """Whether a container is a measurement group by its name or template."""
    return key(item.name) in GROUPS or item.template in GROUP_TEMPLATES


def scheme_is_wrong(item: Item) -> bool:
    """Whether a known concept has the scheme of another standard."""
    return item.name is not None and item.name.scheme == "DCM" and item.name.value in _OF_SNOMED


def is_private(name: Code | None) -> bool:
    """Whether a concept has no name, or one of a scheme that PS3.16 Table 8-1 does not list as a standard's."""
    return name is None or name.scheme not in _PUBLIC
