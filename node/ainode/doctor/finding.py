"""What one check found."""

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works, but somebody should look after it."""
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    check: str
    """What was looked at, for example ``archive pacs: DICOMweb``."""
    result: Result
    found: str
    advice: str = ""
    """What to do; empty when there is nothing to do."""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Result.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, for now."""
    return Finding(check, Result.WARNING, found, advice)


def failed(check: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, Result.FAILED, found, advice)
