"""What a checker found: one rule that one place of an object breaks."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a violation weighs."""

    ERROR = "error"
    """A requirement of the standard or of IHE AIR is broken."""
    WARNING = "warning"
    """Allowed, but a reader may be misled, or IHE AIR advises otherwise."""
    NOTE = "note"
    """Allowed: an extension of an extensible template or context group."""


@dataclass(frozen=True)
class Violation:
    """One rule broken at one place; it holds no value of the object, so no patient data."""

    rule: str
    """Such as ``TID1411.3.missing`` (template, row, kind), ``UCUM.unit``, ``AIR.A1.device-uid``."""
    where: str
    """Positions of the content items from the root (PS3.3 C.17.3.2.5), then their names; or the attribute."""
    what: str
    """What is wrong."""
    todo: str
    """What would make it right."""
    severity: Severity = Severity.ERROR

    def line(self) -> str:
        """All of it on one line, for a terminal or a log."""
        return f"{self.severity} {self.rule} at {self.where}: {self.what}; {self.todo}"
