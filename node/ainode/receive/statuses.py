"""Every DIMSE status that the node answers with, and the one place where an error becomes a status."""

from enum import Enum

from ainode_models.errors import InstanceError


class Status(Enum):
    """Status (0000,0900) of C-STORE-RSP and C-ECHO-RSP: value, clause, and when it is sent."""

    SUCCESS = (0x0000, "PS3.4 Table B.2-1, PS3.7 9.1.5.1.4", "safe on disk, or echoed")
    INVALID_SOP_INSTANCE = (0x0117, "PS3.7 9.1.1.1.9", "Affected SOP Instance UID breaks PS3.5 9.1")
    SOP_CLASS_NOT_SUPPORTED = (
        0x0122,
        "PS3.7 9.1.1.1.9",
        "Affected SOP Class UID is not the one of the presentation context",
    )
    OUT_OF_RESOURCES = (0xA700, "PS3.4 Table B.2-1", "the disk cannot take the object; try later")
    CANNOT_UNDERSTAND = (0xC000, "PS3.4 Table B.2-1", "no data set, or an error that we did not foresee")

    def __init__(self, code: int, clause: str, meaning: str) -> None:
        self.code = code
        self.clause = clause
        self.meaning = meaning

    @property
    def hex(self) -> str:
        """Value as four hexadecimal digits, for logs and metrics."""
        return f"{self.code:04X}"


def status_of(error: Exception) -> Status:
    """What the peer is told when storing its object raised ``error``."""
    if isinstance(error, OSError):
        return Status.OUT_OF_RESOURCES
    if isinstance(error, InstanceError):
        return Status.INVALID_SOP_INSTANCE
    return Status.CANNOT_UNDERSTAND
