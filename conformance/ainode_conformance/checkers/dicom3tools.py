"""dicom3tools of D. Clunie: each object against its IOD (PS3.3), and objects against each other."""

import re
import shutil
from collections.abc import Sequence

from ainode_conformance.checkers.checker import Problem, in_order, lines_of, said
from ainode_conformance.kinds.kind import Made
from ainode_conformance.violation import Severity

_FOLDERS = re.compile(r"/\S*/(?=[^/\s]*\.dcm)")


class _Dicom3tools:
    """A program of Debian's package, run on every DICOM object."""

    name: str

    def missing(self) -> str | None:
        """The program of Debian's package."""
        return None if shutil.which(self.name) else "install Debian's dicom3tools"

    def version(self) -> str:
        """Of Debian's package, as the program does not say."""
        return _package_version()

    def subjects(self, made: Made) -> Sequence[str]:
        """Every DICOM object."""
        return in_order(made.dicom())


class Dciodvfy(_Dicom3tools):
    """Modules, attributes, types and values of each object."""

    name = "dciodvfy"

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """One run for each object."""
        return [problem for each in made for name in self.subjects(each) for problem in self._file(each, name)]

    def _file(self, made: Made, name: str) -> list[Problem]:
        lines = lines_of(said(self.name, made.files[name]))
        if not lines:
            return [Problem(made.name, name, Severity.ERROR, "said nothing, not even which IOD it is")]
        found = [line for line in lines if line.startswith(("Error", "Abort", "Warning"))]
        return [
            Problem(made.name, name, Severity.WARNING if line.startswith("Warning") else Severity.ERROR, line)
            for line in found
        ]


class Dcentvfy(_Dicom3tools):
    """Patient, study, series and frame of reference agree between the objects of a run and its sources."""

    name = "dcentvfy"

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """One run for all objects of a run of the node and the sources."""
        return [problem for each in made for problem in self._together(each)]

    def _together(self, made: Made) -> list[Problem]:
        names = self.subjects(made)
        if not names:
            return []
        text = said(self.name, *(made.files[name] for name in names), *made.source.files[:3])
        lines = dict.fromkeys(lines_of(_FOLDERS.sub("", text)))
        return [Problem(made.name, "+".join(names), Severity.ERROR, line) for line in lines]


def _package_version() -> str:
    return said("dpkg-query", "--showformat=${Version}", "--show", "dicom3tools").strip()
