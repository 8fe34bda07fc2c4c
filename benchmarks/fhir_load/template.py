"""Results as the node's own encoder and index write them, with holes for what differs from report to report."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.folding import fold
from ainode_fhir.indexing import index_rows, sort_values
from ainode_fhir.moments import span
from ainode_fhir.site import Site
from ainode_fhir.study import ResultObject
from ainode_models.findings import Findings
from peers.classified import CLASSES, classified
from peers.fhir_samples import FAILED, NECROSIS, NEGATIVE, OBJECTS, OEDEMA, POSITIVE, STUDY

SHARED = ("Device", "Organization")
"""Types of which all reports have the same."""
PATIENT, FAMILY, GIVEN, BIRTH, RUN, ACCESSION = "P-4711", "Mustermann", "Erika", "1964-08-12", "run-1", "ACC-9"
STUDIED, ISSUED = "2026-03-04T09:00:00Z", "2026-03-04T10:20:30Z"
"""What stands in the templates for the patient, the run, the order, and the times of the study and of the analysis."""
_OPERATION = datetime(2026, 3, 4, 10, 20, 30, tzinfo=UTC)
_LABELS = ("Oedema", "Necrosis", "Enhancing tumour", "Haemorrhage")
_CLASSES = 12


@dataclass(frozen=True)
class Text:
    """A text with holes: constant pieces at even places, the names of holes at odd ones."""

    pieces: tuple[str, ...]

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with the holes' values."""
        pieces = list(self.pieces)
        for at in range(1, len(pieces), 2):
            pieces[at] = values[pieces[at]]
        return "".join(pieces)


@dataclass(frozen=True)
class IndexRow:
    """One row of the index."""

    parameter: str
    system: Text
    value: Text
    date: str
    """Hole whose time it is; empty for none."""


@dataclass(frozen=True)
class Resource:
    """One resource and its rows."""

    kind: str
    id: Text
    content: Text
    status: str
    date: str
    """Hole of the time that it is sorted by; empty for none."""
    issued: str
    rows: tuple[IndexRow, ...]


@dataclass(frozen=True)
class Template:
    """All resources of one result."""

    resources: tuple[Resource, ...]
    holes: tuple[str, ...]


def templates() -> tuple[tuple[Template, int], ...]:
    """Results of each kind, with how many of twenty reports are of it; twenty reports have 200 Observations."""
    found = [
        replace(OEDEMA, number=at, label=label, tracking_uid=f"2.25.6{at}") for at, label in enumerate(_LABELS[:3], 1)
    ]
    absent = [
        replace(NECROSIS, number=at, label=label, tracking_uid=f"2.25.6{at}") for at, label in enumerate(_LABELS, 1)
    ]
    classes = (
        replace(CLASSES[at % 3], number=at + 1, label=f"Class {at}", tracking_uid=f"2.25.7{at}")
        for at in range(_CLASSES)
    )
    return (
        (_template(replace(POSITIVE, run_id=RUN, segments=tuple(found)), OBJECTS), 10),
        (_template(replace(NEGATIVE, run_id=RUN, segments=tuple(absent)), OBJECTS), 6),
        (_template(replace(classified(classes), run_id=RUN), OBJECTS), 3),
        (_template(replace(FAILED, run_id=RUN), ()), 1),
    )


def _template(findings: Findings, objects: tuple[ResultObject, ...]) -> Template:
    bundle = report_bundle(findings, STUDY, objects, site=Site(), issued=_OPERATION)
    bodies: list[Json] = [entry["resource"] for entry in as_json(bundle)["entry"]]
    own = [body for body in bodies if body["resourceType"] not in SHARED]
    names = {body["id"] for body in own} | {value for body in own for value in _identifiers(body)}
    holes = [*names, FAMILY, GIVEN, BIRTH, STUDIED, ISSUED, *(fold(name) for name in (FAMILY, GIVEN))]
    cut = _Cut(tuple(dict.fromkeys(holes)))
    return Template(tuple(cut.resource(body) for body in bodies), cut.holes)


def _identifiers(value: Any) -> Iterator[str]:
    """Every identifier's value in a piece of JSON."""
    if isinstance(value, list):
        for item in value:
            yield from _identifiers(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            for each in (item if isinstance(item, list) else [item]) if name == "identifier" else ():
                yield each["value"]
            yield from _identifiers(item)


class _Cut:
    """Cuts texts at the holes."""

    def __init__(self, holes: tuple[str, ...]) -> None:
        self.holes = holes
        longest_first = sorted(holes, key=len, reverse=True)
        self._pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
        self._dates = {span(hole): hole for hole in (BIRTH, STUDIED, ISSUED)} | {
            span(hole)[0]: hole for hole in (BIRTH, STUDIED, ISSUED)
        }

    def text(self, text: str) -> Text:
        return Text(tuple(self._pattern.split(text)))

    def resource(self, body: Json) -> Resource:
        keys = sort_values(body)
        return Resource(
            kind=body["resourceType"],
            id=self.text(body["id"]),
            content=self.text(json.dumps(body)),
            status=keys["status"],
            date=self._dates.get(keys["date"], ""),
            issued=self._dates.get(keys["issued"], ""),
            rows=tuple(self._row(row) for row in index_rows(body)),
        )

    def _row(self, row: Json) -> IndexRow:
        date = self._dates[row["low"], row["high"]] if row["low"] is not None else ""
        return IndexRow(row["parameter"], self.text(row["system"]), self.text(row["value"]), date)
