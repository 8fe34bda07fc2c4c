"""What the outbox needs of a destination."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class DicomObject:
    """One encoded DICOM object of a result."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str


@dataclass(frozen=True)
class Result:
    """The encoded objects of one run."""

    run_id: str
    study_uid: str
    dicom: tuple[DicomObject, ...]
    bundles: tuple[Path, ...]
    """FHIR transaction Bundles, JSON: the withdrawal of an earlier report, if any, then the report."""
    change: Path | None = None
    """What the report is now, if it was sent before: as a human's review left it, for example."""


class Destination(Protocol):
    """A place that results go to; both calls raise ``PeerUnreachable`` or ``PeerRefused``."""

    def shows(self, result: Result) -> bool:
        """Whether the destination, asked now, has every object of the result that it is meant to get."""

    def send(self, result: Result) -> None:
        """Send all objects; sending twice leaves one of each, because their identifiers do not change."""
