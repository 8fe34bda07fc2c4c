"""The codes of a package against the dictionaries of DICOM (PS3.16), which pydicom carries.

pydicom is imported when codes are checked, not before.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.findings import Code
from ainode_models.manifest import Manifest

_SCHEMES = frozenset(
    {"SCT", "DCM", "NCIt", "RADLEX", "LN", "UCUM", "FMA", "NEU", "MSH", "UMLS", "I10", "ICD10", "ICDO3", "IBSI", "MDC"}
    | {"RADELEMENT", "BARI", "RXNORM", "ITIS_TSN", "MA"}
)
"""Designators of PS3.16 Table 8-1 that a label or class may use; private ones begin with 99 (PS3.3 8.2)."""


@dataclass(frozen=True)
class _Dictionary:
    """What DICOM's context groups say about the codes of one scheme."""

    meanings: Mapping[str, tuple[str, ...]]
    """By code value."""
    values: Mapping[str, str]
    """By meaning in lower case."""


def check_codes(manifest: Manifest) -> tuple[str, ...]:
    """Hold every code against the dictionaries; returns remarks on codes that they do not have.

    Raises `PackageError` that lists each code that is wrong, and what to write instead.
    """
    faults, remarks = [], []
    for place, code in _codes(manifest):
        if fault := _fault(code):
            faults.append(f"{place}: {fault}")
        elif code.value not in _dictionary(code.scheme).meanings:
            remarks.append(f"{place}: DICOM's dictionaries have no {_shown(code)}; nobody checked what it means")
    if faults:
        raise PackageError(f"{manifest.name}@{manifest.version}: {'; '.join(faults)}")
    return tuple(remarks)


def known_code(scheme: str, value: str) -> Code | None:
    """The code with the meaning that DICOM's dictionaries give it, or None."""
    meanings = _dictionary(scheme).meanings.get(value)
    return Code(value, scheme, meanings[0]) if meanings else None


def _codes(manifest: Manifest) -> Iterator[tuple[str, Code]]:
    yield "family", manifest.family
    for number, label in enumerate(manifest.labels):
        yield f"label[{number}].category", label.category
        yield f"label[{number}].type", label.type
        yield f"label[{number}].anatomy", label.anatomy
    for number, item in enumerate(manifest.classes):
        yield f"class[{number}].type", item.type
        yield f"class[{number}].anatomy", item.anatomy


def _fault(code: Code) -> str | None:
    """What is wrong with a code and what to change, or None."""
    if code.scheme.startswith("99"):
        return None
    if code.scheme not in _SCHEMES:
        return (
            f"scheme {code.scheme!r} is unknown; use one of PS3.16 Table 8-1 such as SCT, DCM or NCIt, "
            "or a private one that begins with 99"
        )
    if meanings := _dictionary(code.scheme).meanings.get(code.value):
        return None if code.meaning.lower() in map(str.lower, meanings) else _other_meaning(code, meanings[0])
    return _not_in_dictionary(code)


def _not_in_dictionary(code: Code) -> str | None:
    if value := _dictionary(code.scheme).values.get(code.meaning.lower()):
        return f"{_shown(code)} is not in DICOM's dictionaries; {code.meaning!r} has the code {value!r}: write that"
    if code.scheme == "DCM":
        return f"{_shown(code)} is no code of DICOM (PS3.16 Annex D); look it up there"
    if code.scheme == "SCT" and not _is_concept(code.value):
        return f"{_shown(code)} is no concept of SNOMED CT: its check digit or its kind is wrong; look it up again"
    return None


def _other_meaning(code: Code, meaning: str) -> str:
    proper = _dictionary(code.scheme).values.get(code.meaning.lower())
    instead = f"; {code.meaning!r} is {proper!r}" if proper else ""
    return f"{_shown(code)} means {meaning!r}, not {code.meaning!r}{instead}: change the value or the meaning"


def _shown(code: Code) -> str:
    return f"({code.value}, {code.scheme})"


@cache
def _dictionary(scheme: str) -> _Dictionary:
    from pydicom.sr._concepts_dict import concepts

    entries: Any = concepts.get(scheme, {})
    meanings: dict[str, tuple[str, ...]] = {}
    for same_keyword in entries.values():
        for value, (meaning, *_) in same_keyword.items():
            meanings[value] = (*meanings.get(value, ()), meaning)
    values = {meaning.lower(): value for value, said in meanings.items() for meaning in said}
    return _Dictionary(MappingProxyType(meanings), MappingProxyType(values))


_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PLACES = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
"""The dihedral group of order ten, and Verhoeff's permutations (SNOMED CT Technical Implementation Guide 5.5)."""


def _is_concept(value: str) -> bool:
    """Whether an SCTID is that of a concept (partition 00 or 10) and its check digit is right."""
    if not re.fullmatch(r"\d{6,18}", value) or value[-3:-1] not in ("00", "10"):
        return False
    check = 0
    for place, digit in enumerate(reversed(value)):
        check = int(_TIMES[check][int(_PLACES[place % 8][int(digit)])])
    return check == 0
