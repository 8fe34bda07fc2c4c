"""Segments of an HL7 v2 message as text (HL7 v2.5.1 chapter 2)."""

from collections.abc import Mapping

Field = str | tuple[str, ...]
"""Text, or components; all unescaped."""

_ESCAPES = str.maketrans(
    {
        # A segment ends with CR, a block of MLLP with FS CR; 2.7 has no escape for line ends outside FT
        **dict.fromkeys(map(chr, range(0x20)), " "),
        "\\": "\\E\\",
        "|": "\\F\\",
        "^": "\\S\\",
        "~": "\\R\\",
        "&": "\\T\\",
    }
)


def segment(name: str, fields: Mapping[int, Field]) -> str:
    """A segment with ``fields`` by their number, the last one last; of MSH, fields from 3 on."""
    first = 3 if name == "MSH" else 1
    start = f"{name}|^~\\&" if name == "MSH" else name
    texts = [_field(fields.get(number, "")) for number in range(first, max(fields, default=0) + 1)]
    return "|".join([start, *texts])


class Escaped(str):
    """Text that is escaped already."""

    __slots__ = ()


def sub_components(*parts: str) -> Escaped:
    """One component of several parts."""
    return Escaped("&".join(part.translate(_ESCAPES) for part in parts))


def _field(value: Field) -> str:
    return "^".join(map(_component, value)).rstrip("^") if isinstance(value, tuple) else _component(value)


def _component(value: str) -> str:
    return value if isinstance(value, Escaped) else value.translate(_ESCAPES)
