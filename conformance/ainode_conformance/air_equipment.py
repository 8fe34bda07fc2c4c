"""Who made the result: IHE AIR 6.5.3.1 (rules A1 to A4) and closed issue 26 (A12)."""

from collections.abc import Iterator, Sequence

from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from ainode_conformance.content import ContentItem, first_code, same_code
from ainode_conformance.context_templates import (
    ALGORITHM_MANUFACTURER,
    ALGORITHM_NAME,
    ALGORITHM_VERSION,
    DEVICE_MANUFACTURER,
    DEVICE_MODEL,
    DEVICE_UID,
)
from ainode_conformance.place import place
from ainode_conformance.violation import Severity, Violation

_PROCESSING = Code("109102", "DCM", "Processing Equipment")
_SEQUENCE = "ContributingEquipmentSequence"

_NEEDED = (
    ("manufacturer", "Manufacturer"),
    ("model", "ManufacturerModelName"),
    ("software", "SoftwareVersions"),
    ("device-uid", "DeviceUID"),
)
"""Attributes that an item for an algorithm must have."""

_SAME = (
    (DEVICE_MANUFACTURER, "manufacturer", "Manufacturer"),
    (ALGORITHM_MANUFACTURER, "manufacturer", "Manufacturer"),
    (DEVICE_MODEL, "model", "ManufacturerModelName"),
    (ALGORITHM_NAME, "model", "ManufacturerModelName"),
    (ALGORITHM_VERSION, "version", "SoftwareVersions"),
    (DEVICE_UID, "device-uid", "DeviceUID"),
)
"""Table 6.5.3.1-1 of IHE AIR: content items that repeat a value of the equipment."""


def equipment_violations(ds: Dataset) -> Iterator[Violation]:
    """Contributing and General Equipment of an SR or a SEG."""
    for number, item in enumerate(ds.get(_SEQUENCE) or (), start=1):
        if first_code(item, "PurposeOfReferenceCodeSequence") is None:
            where = f"{_SEQUENCE} item {number}"
            yield Violation(
                "AIR.A1.purpose", where, "no purpose of reference", "say (109102, DCM) if it is an algorithm"
            )
    models = _models(ds)
    if not models:
        todo = "add an item with purpose (109102, DCM) for each algorithm"
        what = f"none of its {len(ds.get(_SEQUENCE) or ())} items has the purpose Processing Equipment"
        yield Violation("AIR.A1.missing", _SEQUENCE, what, todo)
    for number, item in models:
        yield from _described(item, f"{_SEQUENCE} item {number}")
    yield from _apart(ds, [item for _, item in models])


def tree_violations(ds: Dataset, root: ContentItem) -> Iterator[Violation]:
    """Algorithms in the tree of an SR that the Contributing Equipment does not repeat (A2, A3)."""
    models = [item for _, item in _models(ds)]
    if not models:
        return
    for item in root.walk():
        yield from _pair(item, models)
        for name, kind, keyword in _SAME:
            said = item.is_named(name) and item.value_type != "CODE"  # a name may be coded too: TID 4019 row 1b
            if said and not any(item.text in _texts(model, keyword) for model in models):
                what = f"it differs from {keyword} of every processing equipment"
                yield Violation(f"AIR.A3.{kind}", place(item), what, f"give both the same value, as for {keyword}")


def _pair(item: ContentItem, models: Sequence[Dataset]) -> Iterator[Violation]:
    """Name and version of one algorithm (TID 4019) must be those of one item."""
    names = [child.text for child in item.named(ALGORITHM_NAME) if child.value_type != "CODE"]
    versions = [child.text for child in item.named(ALGORITHM_VERSION)]
    if len(names) != 1 or len(versions) != 1:
        return
    named = [model for model in models if names[0] in _texts(model, "ManufacturerModelName")]
    known = any(versions[0] in _texts(model, "SoftwareVersions") for model in models)
    if named and known and not any(versions[0] in _texts(model, "SoftwareVersions") for model in named):
        what, todo = "the version is that of another algorithm", "identify one algorithm by name and version"
        yield Violation("AIR.A2.pair", place(item), what, todo)


def _models(ds: Dataset) -> list[tuple[int, Dataset]]:
    numbered = enumerate(ds.get(_SEQUENCE) or (), start=1)
    return [
        (number, item)
        for number, item in numbered
        if same_code(first_code(item, "PurposeOfReferenceCodeSequence"), _PROCESSING)
    ]


def _described(item: Dataset, where: str) -> Iterator[Violation]:
    for kind, keyword in _NEEDED:
        if not item.get(keyword):
            yield Violation(f"AIR.A1.{kind}", where, f"{keyword} is missing", f"give the {keyword} of the algorithm")
    uid = item.get("DeviceUID")
    if uid and not UID(str(uid), validation_mode=IGNORE).is_valid:
        yield Violation("AIR.A4.uid", where, "DeviceUID is no UID", "give one UID for each model and set of weights")


def _apart(ds: Dataset, models: Sequence[Dataset]) -> Iterator[Violation]:
    for keyword in ("Manufacturer", "ManufacturerModelName"):
        if not ds.get(keyword):
            what, todo = "what wrote the object is not named", "name the node"
            yield Violation("AIR.A12.missing", keyword, what, todo, Severity.WARNING)
    name = ds.get("ManufacturerModelName")
    if name and any(name == item.get("ManufacturerModelName") for item in models):
        what = "General Equipment is the algorithm"
        todo = "name what packaged the result, unless that is one and the same product"
        yield Violation("AIR.A12.same", "ManufacturerModelName", what, todo, Severity.WARNING)


def _texts(ds: Dataset, keyword: str) -> list[str]:
    value = ds.get(keyword)
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(part) for part in value]
