"""OFFIS's dcmtk: the tree of a report (dsrdump), the pixels of a picture (dcm2pnm), the encoding of all (dcmdump)."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ainode_conformance.checkers.checker import Problem, error, in_order, lines_of, said
from ainode_conformance.kinds.kind import Made

_BIN = Path("/usr/bin")
"""A virtual environment has pynetdicom's programs of the same names."""


class Dcmtk:
    """Each object is read in full by C++ code that has nothing to do with ours."""

    name = "dcmtk"

    def missing(self) -> str | None:
        """The programs of Debian's package."""
        return None if (_BIN / "dsrdump").is_file() else "install Debian's dcmtk"

    def version(self) -> str:
        """As the program says."""
        return said(_BIN / "dcmdump", "--version").split()[2].removeprefix("v")

    def subjects(self, made: Made) -> Sequence[str]:
        """Every DICOM object."""
        return in_order(made.dicom())

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """Each object, with the program for what it is."""
        with TemporaryDirectory() as folder:
            return [
                error(each, name, line)
                for each in made
                for name in self.subjects(each)
                for line in _complaints(name, each.files[name], Path(folder))
            ]


def _complaints(name: str, file: Path, folder: Path) -> list[str]:
    complaints = [line for line in lines_of(said(_BIN / "dcmdump", "-q", file)) if line.startswith(("E:", "W:", "F:"))]
    if name == "sr":
        complaints += _marked(said(_BIN / "dsrdump", "-Ec", "+Pc", "+Pt", file))
    if name.startswith("sc"):
        complaints += lines_of(said(_BIN / "dcm2pnm", "-q", "+on", file, folder / "picture.png"))
    if name == "pdf":
        complaints += lines_of(said(_BIN / "dcm2pdf", "-q", file, folder / "page.pdf"))
    return complaints


def _marked(text: str) -> list[str]:
    return [line for line in lines_of(text) if line.startswith(("E:", "W:", "F:"))]
