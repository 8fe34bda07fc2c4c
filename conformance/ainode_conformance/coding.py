"""Codes of DICOM and of SNOMED CT that these do not have: the two schemes that can be checked without a server."""

from collections.abc import Iterator
from functools import cache

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ainode_conformance.content import ContentItem
from ainode_conformance.place import place
from ainode_conformance.violation import Severity, Violation


def code_violations(root: ContentItem) -> Iterator[Violation]:
    """Names and values below ``root`` that are no codes of the scheme that they name."""
    for item in root.walk():
        for code in (item.name, item.value):
            if code is None:
                continue
            shown = f"({code.value}, {code.scheme_designator})"
            if code.scheme_designator == "DCM" and code.value not in _dicom():
                what, todo = f"{shown} is not in PS3.16 annex D as pydicom knows it", "name the scheme that has it"
                yield Violation("CODE.dcm", place(item), what, todo, Severity.WARNING)
            if code.scheme_designator == "SCT" and not is_snomed(code):
                what, todo = f"{shown} is no identifier of a SNOMED CT concept", "correct its code or its scheme"
                yield Violation("CODE.sct", place(item), what, todo)


@cache
def _dicom() -> frozenset[str]:
    return frozenset(code.value for code in codes.DCM.concepts.values())


def is_snomed(code: Code) -> bool:
    """True for 6 to 18 digits of a concept (partition 00 or 10) that end in Verhoeff's check digit.

    SNOMED CT Release File Specification, "SCTID" and its annex on the check digit.
    """
    digits = code.value
    if not (digits.isascii() and digits.isdigit() and 6 <= len(digits) <= 18 and digits[-3:-1] in ("00", "10")):
        return False
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = _multiplied(check, _permuted(int(digit), position))
    return check == 0


def _multiplied(left: int, right: int) -> int:
    """In the symmetries of the pentagon: 0 to 4 are its rotations, 5 to 9 its reflections."""
    turned = (left - right if left > 4 else left + right) % 5
    return turned + 5 * ((left > 4) is not (right > 4))


def _permuted(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit
