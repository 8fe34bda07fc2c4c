"""How a data set is written (PS3.5 A), and the marks of its sequences (PS3.5 7.5)."""

import struct
from dataclasses import dataclass

from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG_VRS = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)
"""VRs with a length of four bytes (PS3.5 Table 7.1-1)."""


@dataclass(frozen=True)
class Encoding:
    """VRs and byte order."""

    implicit: bool
    """No VR in the element headers."""
    little_endian: bool

    def numbers(self, form: str, raw: bytes) -> tuple[int, ...]:
        """``struct.unpack`` in this byte order."""
        return struct.unpack(("<" if self.little_endian else ">") + form, raw)

    def tag(self, number: int) -> bytes:
        """A tag as it is written."""
        return struct.pack("<HH" if self.little_endian else ">HH", number >> 16, number & 0xFFFF)


def is_vr(text: bytes) -> bool:
    """Whether two bytes can be a VR; files exist in which single elements of an explicit data set have none."""
    return text.isalpha() and text.isupper()
