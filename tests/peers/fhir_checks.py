"""pyrofile, which holds resources against HL7's own definitions of R4."""

import json
import subprocess
import sys
from pathlib import Path

from ainode_fhir.datatypes import Json
from peers.fhir_receiver import medplum_packages


def r4_definitions(parent: Path) -> Path:
    """pyrofile's settings, with the R4 definitions and value sets of Medplum's npm package as single files."""
    r4 = medplum_packages() / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4"
    folder = parent / "definitions"
    folder.mkdir()
    for name in ("profiles-types.json", "profiles-resources.json", "valuesets.json"):
        for entry in json.loads((r4 / name).read_text())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in ("StructureDefinition", "ValueSet", "CodeSystem"):
                (folder / f"{resource['resourceType']}-{resource['id']}.json").write_text(json.dumps(resource))
    path = folder.parent / "pyrofile.json"
    settings = {"fhirVersion": "4.0.1", "terminology": {"mode": "local"}, "localPackagePaths": [str(folder)]}
    path.write_text(json.dumps(settings))
    return path


def errors(config: Path, folder: Path, documents: dict[str, Json]) -> list[tuple[str, str]]:
    """Document type and place of what pyrofile calls an error.

    Its warnings are best practice (a narrative on every resource) and codes outside of extensible value sets, which
    HL7's guides for AI (AIAST) and for DICOM SR (identifier types) ask for.
    """
    (folder / "documents").mkdir()
    for name, document in documents.items():
        (folder / "documents" / f"{name}.json").write_text(json.dumps(document))
    report = folder / "report.json"
    command = [sys.executable, "-m", "pyrofile_validator", "folder", "-c", str(config)]
    subprocess.run([*command, "--json-output", str(report), "documents"], cwd=folder, capture_output=True, check=False)
    found: Json = json.loads(report.read_text())
    return [(issue["code"], issue["path"]) for issue in found["issues"] if issue["severity"] == "error"]
