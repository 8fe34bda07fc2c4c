"""Every checker, in the order of the table's columns."""

from pathlib import Path

from ainode_conformance.checkers.checker import Checker
from ainode_conformance.checkers.cornerstone import Cornerstone
from ainode_conformance.checkers.dcmqi import Dcmqi
from ainode_conformance.checkers.dcmtk import Dcmtk
from ainode_conformance.checkers.dicom3tools import Dcentvfy, Dciodvfy
from ainode_conformance.checkers.dicom_validator import DicomValidator
from ainode_conformance.checkers.fhirclient import FhirClient
from ainode_conformance.checkers.npm_validators import lantana, medplum
from ainode_conformance.checkers.packages import Packages
from ainode_conformance.checkers.pixelmed import PixelMed
from ainode_conformance.checkers.pyrofile import Pyrofile
from ainode_conformance.checkers.references import References
from ainode_conformance.checkers.tid import TidChecker


def checkers(build: Path) -> tuple[Checker, ...]:
    """All of them; what they download or derive is kept in ``build``."""
    packages = Packages(build)
    return (
        Dciodvfy(),
        Dcentvfy(),
        Dcmtk(),
        DicomValidator(build),
        Dcmqi(),
        Cornerstone(packages),
        PixelMed(),
        TidChecker(),
        References(),
        Pyrofile(build, packages),
        medplum(packages),
        lantana(packages),
        FhirClient(),
    )
