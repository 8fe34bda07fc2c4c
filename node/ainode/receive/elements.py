"""A strict walk over the elements of a data set (PS3.5 7) that reads no pixel data.

pydicom reads a truncated file without complaint: a short value is given as it is, and a missing
``PixelData`` shows only when it is asked for. This walk says where a data set is cut.
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass

from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from ainode.receive.byte_stream import ByteStream
from ainode_models.errors import InstanceError

PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)
_BULK = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"))
_UNKNOWN = b"UN"
_DEEPEST = 64
_LONGEST_VALUE = 1024


@dataclass(frozen=True)
class Element:
    """One element of the top level."""

    tag: int
    """Group and element in one number, as in 0x0020000D."""
    length: int
    """Declared length of the value in bytes; ``UNDEFINED`` when a delimiter ends it."""
    value: bytes
    """Encoded value of an element that was asked for; empty when it is longer than 1024 bytes."""


@dataclass(frozen=True)
class Encoding:
    """How a data set is written (PS3.5 A)."""

    implicit: bool
    """No VR in the element headers."""
    little_endian: bool

    def numbers(self, form: str, raw: bytes) -> tuple[int, ...]:
        """``struct.unpack`` in this byte order."""
        return struct.unpack(("<" if self.little_endian else ">") + form, raw)


@dataclass(frozen=True)
class _Head:
    tag: int
    vr: bytes
    length: int

    @property
    def name(self) -> str:
        return f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"


class ElementWalk:
    """Walks one data set to its end; InstanceError when it is cut or not built as PS3.5 says."""

    def __init__(self, stream: ByteStream, encoding: Encoding) -> None:
        self._stream = stream
        self._encoding = encoding

    def collect(self, wanted: Collection[int]) -> dict[int, Element]:
        """The ``wanted`` elements of the top level that are there."""
        found: dict[int, Element] = {}
        while start := self._stream.upto(8):
            if _is_padding(start):
                continue
            head = self._head(start, self._encoding)
            if head.tag in wanted:
                found[head.tag] = Element(head.tag, head.length, self._value(head))
            else:
                self._skip(head, self._encoding, 0)
        return found

    def collect_group(self, group: int, wanted: Collection[int]) -> dict[int, Element]:
        """The ``wanted`` elements of ``group``, with which the data begin; stops before the next group."""
        found: dict[int, Element] = {}
        while self._group() == group:
            head = self._head(self._stream.upto(8), self._encoding)
            element = Element(head.tag, head.length, self._value(head))
            if head.tag in wanted:
                found[head.tag] = element
        return found

    def _group(self) -> int | None:
        start = self._stream.peek(2)
        return self._encoding.numbers("H", start)[0] if len(start) == 2 else None

    def _value(self, head: _Head) -> bytes:
        if head.length <= _LONGEST_VALUE:
            return self._stream.exactly(head.length, head.name)
        self._skip(head, self._encoding, 0)
        return b""

    def _head(self, start: bytes, encoding: Encoding) -> _Head:
        """Tag, VR and length, of which ``start`` holds the first eight bytes (PS3.5 7.1.2 and 7.1.3)."""
        if len(start) < 8:
            start += self._stream.exactly(8 - len(start), "the header of an element")
        group, element = encoding.numbers("HH", start[:4])
        tag, vr = group << 16 | element, start[4:6]
        if encoding.implicit or group == 0xFFFE or not is_vr(vr):
            return _Head(tag, b"", encoding.numbers("L", start[4:])[0])
        if vr in _LONG:
            return _Head(tag, vr, encoding.numbers("L", self._stream.exactly(4, "the length of an element"))[0])
        return _Head(tag, vr, encoding.numbers("H", start[6:])[0])

    def _skip(self, head: _Head, encoding: Encoding, depth: int) -> None:
        if head.length != UNDEFINED:
            self._stream.skip(head.length, head.name)
        elif head.tag == PIXEL_DATA or head.vr in _BULK:
            self._skip_items(head, encoding, None)
        else:
            # PS3.5 6.2.2 note 5: an unknown value of undefined length is a sequence in implicit VR.
            inner = Encoding(True, True) if head.vr == _UNKNOWN else encoding
            self._skip_items(head, inner, depth + 1)

    def _skip_items(self, parent: _Head, encoding: Encoding, depth: int | None) -> None:
        """Pass over items up to the sequence delimiter; ``depth`` is None for fragments (PS3.5 7.5, A.4)."""
        while (item := self._item_head(parent, encoding)).tag != _SEQUENCE_END:
            if item.tag != _ITEM or (depth is None and item.length == UNDEFINED):
                raise InstanceError(f"{parent.name} is not built of items (PS3.5 7.5); send the object again")
            if item.length != UNDEFINED:
                self._stream.skip(item.length, parent.name)
            else:
                self._skip_item(parent, encoding, depth or 0)

    def _skip_item(self, parent: _Head, encoding: Encoding, depth: int) -> None:
        if depth > _DEEPEST:
            raise InstanceError(f"{parent.name} is nested deeper than {_DEEPEST} levels; send a plainer object")
        while (head := self._item_head(parent, encoding)).tag != _ITEM_END:
            self._skip(head, encoding, depth)

    def _item_head(self, parent: _Head, encoding: Encoding) -> _Head:
        return self._head(self._stream.exactly(8, parent.name), encoding)


def is_vr(text: bytes) -> bool:
    """Whether two bytes can be a VR; files exist in which single elements of an explicit data set have none."""
    return text.isalpha() and text.isupper()


def _is_padding(start: bytes) -> bool:
    """Zeros after the last element: no tag begins so, and some writers pad their files."""
    return len(start) % 2 == 0 and not any(start)
