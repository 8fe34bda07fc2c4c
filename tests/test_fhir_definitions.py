"""Our search parameters are those of HL7: code, type, resource, element and target, row by row.

The definitions come with Medplum's npm package and are not kept here; where npm cannot get it, this is skipped.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from ainode_fhir.datatypes import Json
from ainode_fhir.dates import PREFIXES
from ainode_fhir.parameters import PARAMETERS, SearchParameter, search_parameter
from peers.fhir_receiver import medplum_packages

IMR = "https://profiles.ihe.net/RAD/IMR/SearchParameter/DiagnosticReport-ImagingStudy"
"""IHE's own; core R4 has no way from a report to its study."""


@pytest.fixture(scope="module")
def definitions() -> Mapping[str, Json]:
    """HL7's SearchParameters for R4 by their canonical URL."""
    folder = medplum_packages() / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4"
    entries = json.loads((folder / "search-parameters.json").read_text(encoding="utf-8"))["entry"]
    return {entry["resource"]["url"]: entry["resource"] for entry in entries}


def problems(kind: str, parameter: SearchParameter, definitions: Mapping[str, Json]) -> list[str]:
    """In what a row of our table differs from the definition that it names."""
    defined = definitions.get(parameter.definition)
    if defined is None:
        return ["there is no such definition"]
    found = []
    if defined["code"] != parameter.name:
        found.append(f"its code is {defined['code']}")
    if defined["type"] != parameter.kind:
        found.append(f"it is a {defined['type']}")
    if not {kind, "Resource"} & set(defined["base"]):
        found.append(f"it is no parameter of {kind}")
    if f"{kind}.{parameter.path}" not in set(paths(kind, defined["expression"])):
        found.append(f"it is about {defined['expression']}")
    if parameter.target and parameter.target not in defined.get("target", []):
        found.append(f"it refers to {defined.get('target')}")
    return found


def paths(kind: str, expression: str) -> Iterator[str]:
    """The elements of a FHIRPath expression on ``kind`` as they are named in JSON, a choice with each of our types."""
    for alternative in expression.split("|"):
        bare = re.sub(r"\.where\(.*\)$", "", alternative.strip())
        cast = re.fullmatch(r"\((.*) as (\w+)\)", bare)
        path = f"{cast[1]}{cast[2][0].upper()}{cast[2][1:]}" if cast else bare
        path = re.sub(r"^Resource\.", f"{kind}.", path)
        yield path
        yield from (f"{path}{choice}" for choice in ("DateTime", "CodeableConcept"))


@pytest.mark.parametrize(
    ("kind", "parameter"),
    [(kind, each) for kind, parameters in PARAMETERS.items() for each in parameters if each.definition != IMR],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_a_search_parameter_is_the_one_that_the_standard_defines(
    kind: str, parameter: SearchParameter, definitions: Mapping[str, Json]
) -> None:
    assert problems(kind, parameter, definitions) == []


def test_a_row_that_differs_would_be_noticed(definitions: Mapping[str, Json]) -> None:
    row = search_parameter("DiagnosticReport", "result")
    assert row is not None
    wrong = {
        "its code": replace(row, name="results"),
        "it is a reference": replace(row, kind="token"),
        "it is about": replace(row, path="conclusion"),
        "it refers to": replace(row, target="Patient"),
        "there is no": replace(row, definition=f"{row.definition}s"),
    }
    for problem, changed in wrong.items():
        (found,) = problems("DiagnosticReport", changed, definitions)
        assert found.startswith(problem)
    assert "it is no parameter of Observation" in problems("Observation", row, definitions)


def test_dates_have_all_the_comparators_of_the_standard(definitions: Mapping[str, Json]) -> None:
    dates = [each for each in definitions.values() if each["type"] == "date" and "comparator" in each]
    assert {tuple(sorted(each["comparator"])) for each in dates} == {tuple(sorted(PREFIXES))}
