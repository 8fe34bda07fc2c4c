"""The content tree of an object as it stands (PS3.3 C.17.3), faults and all; nothing of its meaning."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pydicom.dataset import Dataset

from ainode_dicom_sr.reader_model import Reference, Region
from ainode_dicom_sr.reader_values import code, element, items, number, numbers, text
from ainode_models.findings import Code

Value = Code | str | float | Reference | Region | None

_DEEPEST = 64
"""Levels of a tree that are read; templates have about ten."""


@dataclass(frozen=True)
class Item:
    """One content item."""

    path: str
    """``1`` for the root, ``1.3`` for its third item."""
    relationship: str
    """``RelationshipType`` (0040,A010); empty for the root."""
    value_type: str
    name: Code | None
    value: Value
    """A Code for CODE, a number for NUM, a Reference or Region, a text for the rest; None where none can be read."""
    unit: Code | None
    """Of NUM."""
    qualifier: Code | None
    """Of NUM: why there is no value."""
    template: str | None
    observation_uid: str | None
    children: tuple["Item", ...]
    faults: tuple[str, ...]
    """What could not be read of it."""

    def walk(self) -> Iterator["Item"]:
        """The item and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class _Open:
    """An item whose children are still to be read."""

    ds: Dataset
    path: str
    depth: int
    children: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_tree(root: Dataset) -> Item:
    """The tree below ``root``, which is the object itself; what is nested deeper than 64 levels is left out."""
    opened = [_Open(root, "1", 1)]
    for one in opened:  # grows as it goes, so that depth costs no stack
        below = items(one.ds, "ContentSequence")
        if below and one.depth == _DEEPEST:
            one.faults.append(f"what lies below is left out: it is nested deeper than {_DEEPEST} levels")
            continue
        for place, child in enumerate(below, start=1):
            one.children.append(len(opened))
            opened.append(_Open(child, f"{one.path}.{place}", one.depth + 1))
    done: dict[int, Item] = {}
    for place in range(len(opened) - 1, -1, -1):
        done[place] = _item(opened[place], tuple(done.pop(child) for child in opened[place].children))
    return done[0]


def _item(one: _Open, children: tuple[Item, ...]) -> Item:
    ds = one.ds
    value_type = (text(ds, "ValueType") or "").upper()
    template = items(ds, "ContentTemplateSequence")[:1]
    measured = items(ds, "MeasuredValueSequence")[:1]
    unit = code(measured[0], "MeasurementUnitsCodeSequence") if measured else None
    item = Item(
        path=one.path,
        relationship=(text(ds, "RelationshipType") or "").upper(),
        value_type=value_type,
        name=code(ds, "ConceptNameCodeSequence"),
        value=_READ[value_type](ds) if value_type in _READ else None,
        unit=unit,
        qualifier=code(ds, "NumericValueQualifierCodeSequence"),
        template=text(template[0], "TemplateIdentifier") if template else None,
        observation_uid=text(ds, "ObservationUID"),
        children=children,
        faults=(),
    )
    return replace(item, faults=(*one.faults, *_faults(item, ds)))


def _faults(item: Item, ds: Dataset) -> Iterator[str]:
    if element(ds, "ReferencedContentItemIdentifier") is not None:
        yield "it refers to another item of the tree, which is not followed"
    elif not item.value_type:
        yield "it has no value type"
    elif item.value_type == "CONTAINER":
        return
    elif item.value_type not in _READ:
        yield "its value type is not known"
    elif item.value is None and item.qualifier is None:
        yield "it has no value that can be read"
    elif item.value_type == "NUM" and item.value is not None and not (item.unit and item.unit.value):
        yield "its number has no unit"
    elif isinstance(item.value, Code) and not item.value.value:
        yield "its code has no value"


def _number(ds: Dataset) -> float | None:
    for measured in items(ds, "MeasuredValueSequence")[:1]:
        value = number(measured, "NumericValue")
        return number(measured, "FloatingPointValue") if value is None else value
    return None


def _reference(ds: Dataset) -> Reference | None:
    for item in items(ds, "ReferencedSOPSequence")[:1]:
        sop_class, instance = text(item, "ReferencedSOPClassUID"), text(item, "ReferencedSOPInstanceUID")
        if instance is None:
            return None
        return Reference(
            purpose=code(ds, "ConceptNameCodeSequence"),
            sop_class_uid=sop_class or "",
            sop_instance_uid=instance,
            frames=tuple(map(int, numbers(item, "ReferencedFrameNumber"))),
            segments=tuple(map(int, numbers(item, "ReferencedSegmentNumber"))),
        )
    return None


def _region(ds: Dataset, dimensions: int) -> Region | None:
    flat, kind = numbers(ds, "GraphicData"), text(ds, "GraphicType")
    if kind is None or not flat or len(flat) % dimensions:
        return None
    return Region(
        purpose=code(ds, "ConceptNameCodeSequence"),
        graphic_type=kind,
        points=tuple(zip(*[iter(flat)] * dimensions, strict=True)),
        frame_of_reference_uid=text(ds, "ReferencedFrameOfReferenceUID") if dimensions == 3 else None,
        images=(),
    )


_READ: Mapping[str, Callable[[Dataset], Value]] = MappingProxyType(
    {
        "CODE": lambda ds: code(ds, "ConceptCodeSequence"),
        "COMPOSITE": _reference,
        "CONTAINER": lambda _: None,
        "DATE": lambda ds: text(ds, "Date"),
        "DATETIME": lambda ds: text(ds, "DateTime"),
        "IMAGE": _reference,
        "NUM": _number,
        "PNAME": lambda ds: text(ds, "PersonName"),
        "SCOORD": lambda ds: _region(ds, 2),
        "SCOORD3D": lambda ds: _region(ds, 3),
        "TEXT": lambda ds: text(ds, "TextValue"),
        "TIME": lambda ds: text(ds, "Time"),
        "UIDREF": lambda ds: text(ds, "UID"),
        "WAVEFORM": _reference,
    }
)
"""Value types of PS3.3 Table C.17.3-7 but TABLE and TCOORD, which no report on an image was seen to have."""
