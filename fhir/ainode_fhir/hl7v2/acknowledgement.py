"""The answer to an HL7 v2 message in original mode (HL7 v2.5.1 2.9.2): ACK with MSA, and ERR where it was not taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from ainode_fhir.hl7v2.segment import Escaped, Field, segment
from ainode_models.errors import AinodeError

Verdict = Literal["AA", "AE", "AR"]
ERRORS: Mapping[int, str] = MappingProxyType(
    {
        100: "Segment sequence error",
        101: "Required field missing",
        102: "Data type error",
        103: "Table value not found",
        200: "Unsupported message type",
        207: "Application internal error",
    }
)
"""Of table 0357, those that are used."""


class MessageProblem(AinodeError):  # noqa: N818 - reads as what it becomes
    """A message that is not taken; its text says why, without anything that the message says of a patient."""

    def __init__(self, verdict: Verdict, number: int, reason: str) -> None:
        super().__init__(reason)
        self.verdict: Verdict = verdict
        self.number = number
        """Of `ERRORS`."""


@dataclass(frozen=True)
class Header:
    """What an answer takes from the MSH of the message; raw, as it was written."""

    control_id: str = ""
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    trigger: str = ""
    processing: str = "P"
    version: str = "2.5.1"


def acknowledgement(header: Header, own_id: str, at: datetime, problem: MessageProblem | None = None) -> str:
    """The ACK; ``own_id`` is its control id (MSH-10), at most 20 characters, ``at`` has a zone."""
    fields: dict[int, Field] = {
        3: Escaped(header.receiving_application),
        4: Escaped(header.receiving_facility),
        5: Escaped(header.sending_application),
        6: Escaped(header.sending_facility),
        7: at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000"),
        9: ("ACK", header.trigger, "ACK") if header.trigger else ("ACK",),
        10: own_id,
        11: Escaped(header.processing),
        12: Escaped(header.version),
        18: "UNICODE UTF-8",
    }
    lines = [segment("MSH", fields)]
    if problem is None:
        lines.append(segment("MSA", {1: "AA", 2: Escaped(header.control_id)}))
    else:
        lines.append(segment("MSA", {1: problem.verdict, 2: Escaped(header.control_id), 3: str(problem)}))
        error = (str(problem.number), ERRORS[problem.number], "HL70357")
        lines.append(segment("ERR", {3: error, 4: "E", 8: str(problem)}))
    return "\r".join(lines) + "\r"
