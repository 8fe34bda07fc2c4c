"""Why an object was not stored, as STOW-RS says it (PS3.18 I.2.2)."""

from dataclasses import dataclass
from enum import IntEnum


class Reason(IntEnum):
    """Values of Failure Reason (0008,1197)."""

    PROCESSING_FAILURE = 0x0110
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True)
class Failure:
    """One reason, and a line for people without patient data."""

    reason: Reason
    text: str
