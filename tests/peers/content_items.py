"""Content items for reports that no toolkit would write."""

from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset


def coded(value: str, scheme: str = "DCM", meaning: str = "a meaning") -> Dataset:
    """Item of a Code Sequence."""
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def content_item(value_type: str | None, name: Dataset | None, *children: Dataset, **elements: Any) -> Dataset:
    """Content item with ``children``; no value type or name where there is none."""
    ds = Dataset()
    if value_type is not None:
        ds.ValueType = value_type
    if name is not None:
        ds.ConceptNameCodeSequence = [name]
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    if children:
        ds.ContentSequence = list(children)
    return ds


def report_of(*children: Dataset) -> Dataset:
    """Comprehensive 3D SR with these items below its root, without a header."""
    root = content_item("CONTAINER", coded("126000", meaning="Imaging Measurement Report"), *children)
    root.SOPClassUID, root.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "2.25.900"
    return root


def content_below(ds: Dataset) -> Iterator[Dataset]:
    """Every content item below one."""
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from content_below(item)
