"""Presentation data values inside a P-DATA-TF PDU (PS3.8 9.3.5.1 and E.2)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = struct.Struct(">IBB")
_COMMAND, _LAST = 0x01, 0x02


@dataclass(frozen=True)
class Fragment:
    """One presentation data value, its bytes still in the buffer that the PDU was read into."""

    context_id: int
    is_command: bool
    is_last: bool
    content: memoryview


def fragments(body: memoryview) -> Iterator[Fragment]:
    """The values in the variable field of a P-DATA-TF; ValueError when their lengths do not add up."""
    at = 0
    while at < len(body):
        if len(body) - at < _HEAD.size:
            raise ValueError("a presentation data value is cut short")
        length, context_id, control = _HEAD.unpack_from(body, at)
        end = at + 4 + length
        if length < 2 or end > len(body):
            raise ValueError("a presentation data value is longer than its PDU")
        yield Fragment(context_id, bool(control & _COMMAND), bool(control & _LAST), body[at + _HEAD.size : end])
        at = end
