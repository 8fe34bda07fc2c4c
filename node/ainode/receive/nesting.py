"""How deep the sequences of stated length are, which can be passed over without looking, but not be read."""

import struct

from ainode.receive.encoding import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, UNDEFINED, Encoding, is_vr

_IMPLICIT = Encoding(implicit=True, little_endian=True)
_Level = tuple[float, Encoding, bool]
"""Where it ends, infinity where a delimiter ends it; how it is encoded; whether it holds fragments."""


def is_deeper(value: bytes, encoding: Encoding, levels: int) -> bool:
    """Whether the items of a sequence hold more than ``levels`` sequences in each other.

    Nothing else is asked of them: where they are not built as PS3.5 7.5 says, as in some private elements, the answer
    is that of what came before.
    """
    if value.count(encoding.tag(ITEM)) <= levels:
        return False
    try:
        return _reaches(value, encoding, 2 * levels)  # an item and a sequence are two
    except struct.error:
        return False


def _reaches(value: bytes, encoding: Encoding, limit: int) -> bool:
    stack: list[_Level] = [(len(value), encoding, False)]
    at = 0
    while at < len(value):
        while stack and at >= stack[-1][0]:
            stack.pop()
        if not stack:
            return False
        _, inside, fragments = stack[-1]
        tag, vr, length, at = _head(value, at, inside)
        if tag in (ITEM_END, SEQUENCE_END):
            stack.pop()
        elif (tag == ITEM and not fragments) or _is_sequence(value, at, vr, length, inside):
            stack.append((_end(at, length), _IMPLICIT if vr == b"UN" else inside, False))
        elif length == UNDEFINED:
            stack.append((_end(at, length), inside, True))
        else:
            at += length
        if len(stack) > limit:
            return True
    return False


def _head(value: bytes, at: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
    """Tag, VR, length, and where the value begins."""
    group, element = encoding.numbers("HH", value[at : at + 4])
    vr = value[at + 4 : at + 6]
    if encoding.implicit or group == 0xFFFE or not is_vr(vr):
        return group << 16 | element, b"", encoding.numbers("L", value[at + 4 : at + 8])[0], at + 8
    if vr in LONG_VRS:
        return group << 16 | element, vr, encoding.numbers("L", value[at + 8 : at + 12])[0], at + 12
    return group << 16 | element, vr, encoding.numbers("H", value[at + 6 : at + 8])[0], at + 8


def _is_sequence(value: bytes, at: int, vr: bytes, length: int, encoding: Encoding) -> bool:
    if vr == b"SQ":
        return True
    begins = value[at : at + 4] == (_IMPLICIT if vr == b"UN" else encoding).tag(ITEM)
    return vr in (b"", b"UN") and length > 0 and begins


def _end(at: int, length: int) -> float:
    return float("inf") if length == UNDEFINED else at + length
