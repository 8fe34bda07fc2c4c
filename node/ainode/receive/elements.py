"""A strict walk over the elements of a data set (PS3.5 7) that reads no pixel data.

pydicom reads a truncated file without complaint: a short value is given as it is, and a missing
``PixelData`` shows only when it is asked for. This walk says where a data set is cut.
"""

from collections.abc import Collection
from dataclasses import dataclass

from ainode.receive.byte_stream import ByteStream
from ainode.receive.encoding import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, UNDEFINED, Encoding, is_vr
from ainode.receive.nesting import is_deeper
from ainode_models.errors import InstanceError

PIXEL_DATA = 0x7FE00010

_BULK = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"))
_UNKNOWN = b"UN"
_DEEPEST = 64
_LONGEST_VALUE = 1024
_SHORTEST_NEST = 1024
"""Bytes that can be nested ``_DEEPEST`` levels deep: an item and a sequence have headers of eight each."""
_LONGEST_NEST = 1 << 26
"""Bytes of a sequence that are looked at: the groups of 50,000 frames."""


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

    def collect_group(self, group: int, wanted: Collection[int], *, to_its_end: bool = True) -> dict[int, Element]:
        """The ``wanted`` elements of ``group``, with which the data begin; the first of several with one tag.

        Stops before the next group, or else with the last of those that are wanted.
        """
        found: dict[int, Element] = {}
        while (to_its_end or len(found) < len(wanted)) and self._group() == group:
            head = self._head(self._stream.upto(8), self._encoding)
            element = Element(head.tag, head.length, self._value(head))
            if head.tag in wanted:
                found.setdefault(head.tag, element)
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
        if vr in LONG_VRS:
            return _Head(tag, vr, encoding.numbers("L", self._stream.exactly(4, "the length of an element"))[0])
        return _Head(tag, vr, encoding.numbers("H", start[6:])[0])

    def _skip(self, head: _Head, encoding: Encoding, depth: int) -> None:
        if head.length != UNDEFINED:
            self._skip_stated(head, encoding, depth)
        elif head.tag == PIXEL_DATA or head.vr in _BULK:
            self._skip_items(head, encoding, None)
        else:
            # PS3.5 6.2.2 note 5: an unknown value of undefined length is a sequence in implicit VR.
            inner = Encoding(True, True) if head.vr == _UNKNOWN else encoding
            self._skip_items(head, inner, depth + 1)

    def _skip_stated(self, head: _Head, encoding: Encoding, depth: int) -> None:
        inner = Encoding(True, True) if head.vr == _UNKNOWN else encoding
        if head.vr == b"SQ" or (head.vr in (b"", _UNKNOWN) and self._stream.peek(4) == inner.tag(ITEM)):
            self._skip_nest(head, inner, depth + 1)
        else:
            self._stream.skip(head.length, head.name)

    def _skip_nest(self, head: _Head, encoding: Encoding, depth: int) -> None:
        """Pass over items or elements of stated length, of which pydicom would read any depth."""
        left = head.length
        if left > _SHORTEST_NEST:
            value = self._stream.exactly(min(left, _LONGEST_NEST), head.name)
            left -= len(value)
            if is_deeper(value, encoding, max(0, _DEEPEST - depth)):
                raise _too_deep(head)
        self._stream.skip(left, head.name)

    def _skip_items(self, parent: _Head, encoding: Encoding, depth: int | None) -> None:
        """Pass over items up to the sequence delimiter; ``depth`` is None for fragments (PS3.5 7.5, A.4)."""
        while (item := self._item_head(parent, encoding)).tag != SEQUENCE_END:
            if item.tag != ITEM or (depth is None and item.length == UNDEFINED):
                raise InstanceError(f"{parent.name} is not built of items (PS3.5 7.5); send the object again")
            if depth is None:
                self._stream.skip(item.length, parent.name)
            elif item.length != UNDEFINED:
                self._skip_nest(_Head(parent.tag, parent.vr, item.length), encoding, depth)
            else:
                self._skip_item(parent, encoding, depth)

    def _skip_item(self, parent: _Head, encoding: Encoding, depth: int) -> None:
        if depth > _DEEPEST:
            raise _too_deep(parent)
        while (head := self._item_head(parent, encoding)).tag != ITEM_END:
            self._skip(head, encoding, depth)

    def _item_head(self, parent: _Head, encoding: Encoding) -> _Head:
        return self._head(self._stream.exactly(8, parent.name), encoding)


def _too_deep(head: _Head) -> InstanceError:
    return InstanceError(f"{head.name} is nested deeper than {_DEEPEST} levels; send a plainer object")


def _is_padding(start: bytes) -> bool:
    """Zeros after the last element: no tag begins so, and some writers pad their files."""
    return len(start) % 2 == 0 and not any(start)
