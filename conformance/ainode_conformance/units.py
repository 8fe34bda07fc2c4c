"""Units of measurement by the grammar of UCUM (ucum.org), which PS3.16 section 7.2.2 demands of every NUM."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from pydicom.sr.codedict import codes

from ainode_conformance.content import ContentItem, first_code
from ainode_conformance.place import place
from ainode_conformance.violation import Violation
from ainode_models.errors import RuntimeUnavailable

if TYPE_CHECKING:
    from lark import Lark


def unit_violations(root: ContentItem) -> Iterator[Violation]:
    """Every NUM below ``root`` whose unit UCUM does not know."""
    for item in root.walk():
        for measured in item.ds.get("MeasuredValueSequence") or ():
            unit = first_code(measured, "MeasurementUnitsCodeSequence")
            if unit is None:
                yield Violation("UCUM.missing", place(item), "a number without a unit", "add one; (1, UCUM) for none")
            elif unit.scheme_designator != "UCUM":
                what = f"the unit is coded in {unit.scheme_designator}"
                yield Violation("UCUM.scheme", place(item), what, "code it in UCUM")
            elif not is_ucum(unit.value):
                yield Violation("UCUM.unit", place(item), f"{unit.value!r} is no unit of UCUM", "see ucum.org")


@cache
def is_ucum(unit: str) -> bool:
    """True for a unit that the grammar of UCUM 2.2 makes, and for the few that PS3.16 itself writes otherwise."""
    grammar = parser()
    from lark.exceptions import LarkError

    try:
        grammar.parse(unit)
    except LarkError:
        return any(unit == code.value for code in codes.UCUM.concepts.values())
    return True


@cache
def parser() -> "Lark":
    """The grammar of UCUM; raises RuntimeUnavailable where it is not installed."""
    try:
        from ucumvert import get_ucum_parser
    except ImportError as exc:
        need = "ucumvert is not installed, and units cannot be checked without it: pip install 'ainode[conformance]'"
        raise RuntimeUnavailable(need) from exc
    grammar: Lark = get_ucum_parser()
    return grammar
