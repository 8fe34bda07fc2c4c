"""Long sequences, encoded by us: pydicom takes a tenth of a millisecond and more for each item.

Items of one sequence are much alike, so each element is encoded once. Texts must be ASCII.
"""

import struct
from collections.abc import Iterable

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag

Known = dict[tuple[int, str], bytes]
"""Encoded elements by tag and value."""


def encoded_item(item: Dataset, known: Known) -> bytes:
    """An item of defined length with its header (PS3.5 7.5), Explicit VR Little Endian; ``known`` elements grow."""
    value = b"".join(_element(element, known) for element in item)
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def encoded_sequence(tag: BaseTag, items: Iterable[bytes]) -> RawDataElement:
    """The sequence of encoded items, which pydicom writes as it is, and decodes when it is looked at."""
    value = b"".join(items)
    return RawDataElement(tag, "SQ", len(value), value, 0, is_implicit_VR=False, is_little_endian=True)


def _element(element: DataElement, known: Known) -> bytes:
    if element.VR == "SQ":
        value = b"".join(encoded_item(item, known) for item in element.value)
        return struct.pack("<HH2sHL", element.tag.group, element.tag.element, b"SQ", 0, len(value)) + value
    key = (element.tag, str(element.value))
    if key not in known:
        file = DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, False
        write_data_element(file, element)
        known[key] = file.getvalue()
    return known[key]
