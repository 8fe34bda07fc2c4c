"""pyrofile, which holds resources against HL7's own definitions of R4."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from pyrofile_validator.config import ValidatorConfig
from pyrofile_validator.core.engine import Validator

from ainode_fhir.datatypes import Json
from peers.fhir_receiver import medplum_packages


class R4Checker:
    """One for all tests of a process: its definitions are Medplum's, and it takes seconds to read them."""

    def __init__(self, folder: Path) -> None:
        """Write the definitions to ``folder`` as single files, and read them."""
        settings = {
            "fhirVersion": "4.0.1",
            "terminology": {"mode": "local"},
            "localPackagePaths": [str(_written(folder))],
        }
        (folder / "pyrofile.json").write_text(json.dumps(settings))
        self._validator = Validator(ValidatorConfig.load(str(folder / "pyrofile.json")))

    def errors(self, documents: dict[str, Json]) -> list[tuple[str, str]]:
        """Code and place of what pyrofile calls an error in documents that may refer to each other.

        Its warnings are best practice (a narrative on every resource) and codes outside of extensible value sets, which
        HL7's guides for AI (AIAST) and for DICOM SR (identifier types) ask for.
        """
        with TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # its FHIRPath engine prints what it traces
            for name, document in documents.items():
                (Path(folder) / f"{name}.json").write_text(json.dumps(document))
            issues = self._validator.validate_path(Path(folder)).issues
        return [(issue.code, issue.path or "") for issue in issues if issue.severity.value == "error"]


def _written(parent: Path) -> Path:
    """The R4 definitions and value sets of Medplum's npm package."""
    r4 = medplum_packages() / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4"
    folder = parent / "definitions"
    folder.mkdir()
    for name in ("profiles-types.json", "profiles-resources.json", "valuesets.json"):
        for entry in json.loads((r4 / name).read_text())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in ("StructureDefinition", "ValueSet", "CodeSystem"):
                (folder / f"{resource['resourceType']}-{resource['id']}.json").write_text(json.dumps(resource))
    return folder
