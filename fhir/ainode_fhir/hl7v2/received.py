"""A message as it came over MLLP: its text, its header, and what its fields say (HL7 v2.5.1 chapter 2)."""

import re
from contextlib import suppress
from datetime import datetime

import hl7
from hl7.datatypes import parse_datetime

from ainode_fhir.hl7v2.acknowledgement import Header, MessageProblem

_CHARSETS = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
"""Table 0211: what this node reads. ASCII is UTF-8, too."""
_CONTROLS = re.compile(r"[\x00-\x1f]")
_REPEATED = re.compile(rb"[^\w\s]\.[a-z]{2}\s*[+-]?\d{4}")
"""What the parser would make into as many blanks (HL7 v2.5.1 2.7.6)."""
_PROCESSING = ("P", "T", "D")
"""Table 0103."""
_LONGEST_HEADER = 1000
_SHORTEST = len("MSH|^~\\&|")


def header_of(block: bytes) -> Header:
    """As much of the MSH as can be made out of any bytes, so that a bad message is answered with its control id."""
    line = block.split(b"\r", 1)[0].split(b"\n", 1)[0]
    if line[:3] != b"MSH" or len(line) < 5:
        return Header()
    separator = line[3:4].decode("latin-1")
    fields = ["", *_CONTROLS.sub("", line.decode(errors="replace"))[:_LONGEST_HEADER].split(separator)]
    fields += [""] * (20 - len(fields))
    components = fields[9].split(fields[2][:1] or "^")
    own = {3: "sending_application", 4: "sending_facility", 5: "receiving_application", 6: "receiving_facility"}
    known = {name: fields[number] if separator == "|" else "" for number, name in own.items()}
    return Header(
        control_id=fields[10],
        **known,
        trigger=components[1] if len(components) > 1 and components[1].isalnum() else "",
        processing=fields[11] if fields[11] in _PROCESSING else "P",
        version=fields[12] if re.fullmatch(r"2(\.\d){0,2}", fields[12]) else "2.5.1",
    )


def parsed(block: bytes) -> hl7.Message:
    """The message; MessageProblem (AR) where it is none, or is written in characters that this node does not read."""
    if block[:3] != b"MSH" or len(block) < _SHORTEST:
        raise MessageProblem("AR", 100, "a message begins with MSH")
    line = block.split(b"\r", 1)[0].split(block[3:4])
    name = line[17].split(line[1][1:2] or b"~")[0].decode("latin-1").strip() if len(line) > 17 else ""
    charset = _CHARSETS.get(name.upper())
    if charset is None:
        raise MessageProblem("AR", 103, "MSH-18 names a character set that is not read here; use UNICODE UTF-8")
    try:
        message: hl7.Message = hl7.parse(block.decode(charset).replace("\r\n", "\r").replace("\n", "\r"))
        message.segment("MSH")
    except UnicodeDecodeError as exc:
        raise MessageProblem("AR", 102, "the text is not in the character set of MSH-18; use UNICODE UTF-8") from exc
    except Exception as exc:
        # The parser raises whatever its lists raise; none of its words say more than this.
        raise MessageProblem("AR", 102, "the message cannot be read as HL7 v2") from exc
    if _REPEATED.search(block):
        raise MessageProblem("AE", 102, "a formatting command (such as .sk) is to be repeated a thousand times or more")
    return message


def text(segment: hl7.Segment, field: int, component: int = 1, part: int = 1, *, repeat: int = 1) -> str:
    """A field, component or sub-component, unescaped; empty where it is not there, or is HL7's ``""`` for none."""
    with suppress(LookupError, TypeError, AttributeError, ValueError):
        found = str(segment.extract_field(1, field, repeat, component, part))
        kept = _CONTROLS.sub("", found).encode(errors="ignore").decode().strip()  # hex escapes can be anything
        return "" if kept == '""' else kept
    return ""


def moment(value: str) -> str:
    """A TS or DTM as FHIR dateTime: a day, or to the second with its zone, this machine's where none is given.

    Empty for none, and for what cannot be read: a time is not worth refusing an order for.
    """
    if not value:
        return ""
    try:
        return _date_time(parse_datetime(value), value)
    except (ValueError, TypeError, OverflowError):
        return ""


def _date_time(found: datetime, value: str) -> str:
    digits = value.split("+", maxsplit=1)[0].split("-", maxsplit=1)[0]
    if len(digits) < 10:
        return {4: f"{found:%Y}", 6: f"{found:%Y-%m}"}.get(len(digits), f"{found:%Y-%m-%d}")
    zoned = found.replace(microsecond=0)
    return (zoned if zoned.tzinfo else zoned.astimezone()).isoformat()
