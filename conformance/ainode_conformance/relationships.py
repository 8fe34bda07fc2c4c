"""Which item may stand below which, and how, in a Comprehensive 3D SR (PS3.3 Table A.35.13-2)."""

from collections.abc import Iterator

from ainode_conformance.content import ContentItem
from ainode_conformance.place import place
from ainode_conformance.row import ACQUISITION, CONTAINS, CONTEXT, INFERRED, MODIFIER, PROPERTY, SELECTED
from ainode_conformance.violation import Violation

_SIMPLE = "TEXT CODE NUM DATETIME DATE TIME UIDREF PNAME"
_OBJECTS = "IMAGE WAVEFORM COMPOSITE SCOORD SCOORD3D TCOORD CONTAINER TABLE"
_ANY = f"{_SIMPLE} {_OBJECTS}"

_ALLOWED = (
    ("CONTAINER", CONTAINS, _ANY),
    ("CONTAINER", CONTEXT, f"{_SIMPLE} COMPOSITE"),
    ("CONTAINER IMAGE WAVEFORM COMPOSITE NUM", ACQUISITION, f"{_SIMPLE} CONTAINER"),
    (_ANY, MODIFIER, "TEXT CODE"),
    ("TEXT CODE NUM", CONTEXT, f"{_SIMPLE} COMPOSITE"),
    ("TEXT CODE NUM", PROPERTY, _ANY),
    ("PNAME", PROPERTY, "TEXT CODE DATETIME DATE TIME UIDREF PNAME"),
    ("TEXT CODE NUM", INFERRED, _ANY),
    ("SCOORD", SELECTED, "IMAGE"),
    ("TCOORD", SELECTED, "SCOORD SCOORD3D IMAGE WAVEFORM"),
)
"""Source value types, relationship, target value types."""


def relationship_violations(root: ContentItem) -> Iterator[Violation]:
    """Items below ``root`` that the IOD does not allow there, and references that lead nowhere."""
    for parent in root.walk():
        for child in parent.children:
            if child.by_reference and not child.value_type:
                what, todo = "refers to an item that is not there", "correct its Referenced Content Item Identifier"
                yield Violation("IOD.reference", place(parent), what, todo)
            elif not _allowed(parent.value_type, child.relation, child.value_type):
                what = (
                    f"{parent.value_type} {child.relation or 'without relationship'} {child.value_type} is not allowed"
                )
                yield Violation("IOD.relationship", place(child), what, "see PS3.3 Table A.35.13-2")


def _allowed(source: str, relation: str, target: str) -> bool:
    return any(
        source in sources.split() and relation == allowed and target in targets.split()
        for sources, allowed, targets in _ALLOWED
    )
