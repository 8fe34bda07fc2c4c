"""PixelMed of D. Clunie: reports against the templates of PS3.16, by tables and an engine that are not ours."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread

from ainode_conformance.checkers.checker import Problem, lines_of, said
from ainode_conformance.checkers.report_parts import ReportPart, report_parts
from ainode_conformance.kinds.kind import Made
from ainode_conformance.violation import Severity
from ainode_dicom_sr.objects import encoded
from ainode_models.errors import PeerError

_JAR = Path("/usr/share/java/pixelmed.jar")
_SCRIPT = Path(__file__).parent / "java" / "CheckReports.java"
_NO_LIMITS = tuple(f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("TotalOp", "ExprOp", "ExprGrp"))
"""Java's guard against huge style sheets; the one with the templates is huge."""

_PROGRESS = ("Found ", "Root Template Validation Complete", "IOD validation complete")


class PixelMed:
    """Rows, relationships, value types, value sets and meanings of codes.

    It holds all groups of a report against one template, which any of them decides: so it is given those of each apart.
    """

    name = "pixelmed"

    def missing(self) -> str | None:
        """The library, and a Java that runs source files."""
        if not shutil.which("javac"):
            return "install Debian's default-jdk-headless (scripts/install-system --conformance)"
        return None if _JAR.is_file() else "install Debian's libpixelmed-java (scripts/install-system --conformance)"

    def version(self) -> str:
        """Of Debian's package."""
        return said("dpkg-query", "--showformat=${Version}", "--show", "libpixelmed-java").strip()

    def subjects(self, made: Made) -> Sequence[str]:
        """Reports; IHE AIR's tree of results is of a template that PS3.16 does not have."""
        return sorted(made.dicom("sr"))

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """All in one process, as the templates take seconds to load."""
        parts = [
            (each, name, part)
            for each in made
            for name in self.subjects(each)
            for part in report_parts(dcmread(each.files[name]))
        ]
        answers = _answers([part for _, _, part in parts]) if parts else []
        problems = [
            Problem(each.name, name, severity, text)
            for (each, name, part), answer in zip(parts, answers, strict=True)
            for severity, text in weighed(part.in_whole(answer))
        ]
        return list(dict.fromkeys(problems))


def _answers(parts: Sequence[ReportPart]) -> list[str]:
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number:05}.dcm" for number in range(len(parts))]
        for file, part in zip(files, parts, strict=True):
            file.write_bytes(encoded(part.report))
        command = ["java", *_NO_LIMITS, "-cp", str(_JAR), str(_SCRIPT), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
        answers = [file.with_suffix(".txt") for file in files]
        if done.returncode or not all(answer.is_file() for answer in answers):
            raise PeerError(f"{_SCRIPT.name} ended with {done.returncode}: {done.stderr[-2000:]}")
        return [answer.read_text(encoding="utf-8") for answer in answers]


def weighed(answer: str) -> Iterator[tuple[Severity, str]]:
    """What PixelMed found, of all that it said of one report."""
    lines = lines_of(answer)
    if not any(line.startswith("Found Root Template TID_1500") for line in lines):
        yield Severity.ERROR, "does not find that it is of TID 1500"
    for line in lines:
        if line.startswith("Warning"):
            yield Severity.WARNING, line
        elif not line.startswith(_PROGRESS):  # not all errors say that they are one
            yield Severity.ERROR, line
