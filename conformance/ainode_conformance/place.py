"""Where an item stands, in words that hold no patient data."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ainode_conformance.content import ContentItem

_SCHEMES = ("DCM", "SCT", "NCIt", "UMLS")


def place(item: ContentItem) -> str:
    """Positions of ``item`` from the root, and its concept in the words of DICOM; one of others only by its code."""
    positions = ".".join(str(position) for position in item.path)
    return f"{positions} {item.value_type if item.name is None else _called(item.name)}"


def _called(name: Code) -> str:
    return _meanings().get((name.value, name.scheme_designator)) or f"({name.value}, {name.scheme_designator})"


@cache
def _meanings() -> Mapping[tuple[str, str], str]:
    return MappingProxyType(
        {(code.value, scheme): code.meaning for scheme in _SCHEMES for code in getattr(codes, scheme).concepts.values()}
    )
