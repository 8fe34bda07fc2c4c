"""Our own checker of reports: TID 1500 row by row, UCUM, and IHE AIR in and between report and segmentation."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode_conformance.check import is_report, is_segmentation, report_violations, segmentation_violations
from ainode_conformance.checkers.checker import Problem
from ainode_conformance.kinds.kind import Made
from ainode_conformance.violation import Severity, Violation


class TidChecker:
    """``ainode-check-sr``."""

    name = "ainode-check-sr"

    def missing(self) -> str | None:
        """The grammar of UCUM."""
        return None if find_spec("ucumvert") else "pip install 'ainode[conformance]'"

    def version(self) -> str:
        """Ours."""
        from importlib import metadata

        return metadata.version("ainode")

    def subjects(self, made: Made) -> Sequence[str]:
        """Report and segmentation."""
        return sorted(made.dicom("sr", "seg", "labelmap", "split"))

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """Report and segmentation of a run together; what is allowed as an extension is left out."""
        return [problem for each in made for problem in self._together(each)]

    def _together(self, made: Made) -> list[Problem]:
        files = {name: path for name, path in made.files.items() if name.startswith(("sr", "seg", "labelmap", "split"))}
        objects = {name: _read(path) for name, path in files.items()}
        segmentations = [ds for ds in objects.values() if is_segmentation(ds)]
        return [
            Problem(made.name, name, violation.severity, violation.line())
            for name, ds in objects.items()
            if name in made.subjects or is_report(ds)
            for violation in _violations(ds, segmentations)
            if violation.severity is not Severity.NOTE
        ]


def _violations(ds: Dataset, segmentations: Sequence[Dataset]) -> list[Violation]:
    return segmentation_violations(ds) if is_segmentation(ds) else report_violations(ds, segmentations)


def _read(path: Path) -> Dataset:
    return dcmread(path, stop_before_pixels=True)
