"""Rows of the search index that one resource gives."""

from collections.abc import Iterator
from typing import Any

from ainode_fhir.datatypes import Json
from ainode_fhir.folding import fold
from ainode_fhir.moments import span
from ainode_fhir.ordering import SORTED
from ainode_fhir.parameters import PARAMETERS, SearchParameter, elements
from ainode_fhir.tables import NO_DATE

_BY_TABLE = ("_id", "_lastUpdated")
"""Parameters that the resource table itself answers."""
_NAME_PARTS = ("text", "family", "given", "prefix", "suffix")
"""Of a HumanName, all of which ``name`` finds."""


def index_rows(resource: Json) -> list[Json]:
    """Rows for ``tables.index_table``; a reference's own identifier goes under its name and ``:identifier``."""
    kind, identity = resource["resourceType"], resource["id"]
    parameters = (item for item in PARAMETERS[kind] if item.name not in _BY_TABLE)
    rows = (row for parameter in parameters for row in _rows(resource, parameter))
    blank = {"type": kind, "id": identity, "system": "", "value": "", "low": None, "high": None}
    return [{**blank, **row} for row in rows]


def sort_values(resource: Json) -> Json:
    """What the resource table keeps to sort by: columns ``status``, ``date`` and ``issued``."""
    parameters = {item.name: item for item in PARAMETERS.get(resource.get("resourceType", ""), ())}
    values: Json = {"status": "", "date": int(NO_DATE), "issued": int(NO_DATE)}
    for name, column in SORTED.items():
        if name in parameters and column in values:
            found = next(elements(resource, parameters[name].path), None)
            if found is not None:
                values[column] = found if column == "status" else span(found)[0]
    return values


def _rows(resource: Json, parameter: SearchParameter) -> Iterator[Json]:
    for value in elements(resource, parameter.path):
        if parameter.kind == "token":
            yield from ({"parameter": parameter.name, **token} for token in _tokens(value))
        elif parameter.kind == "reference":
            yield from _reference(value, parameter.name)
        elif parameter.kind == "string":
            yield from ({"parameter": parameter.name, **text} for text in _texts(value))
        else:
            low, high = span(value)
            yield {"parameter": parameter.name, "low": low, "high": high}


def _tokens(value: Any) -> Iterator[Json]:
    if isinstance(value, str):
        yield {"value": value}
    elif "coding" in value or "text" in value:
        yield from (token for coding in value.get("coding", []) for token in _tokens(coding))
    else:
        yield {"system": value.get("system", ""), "value": value.get("code", value.get("value", ""))}


def _texts(value: Any) -> Iterator[Json]:
    """A string, or each part of a HumanName; ``system`` has the text as it was written, for ``:exact``."""
    if isinstance(value, str):
        yield {"system": value, "value": fold(value)}
    else:
        parts = (part for name in _NAME_PARTS for part in elements(value, name))
        yield from (row for part in parts for row in _texts(part))


def _reference(value: Json, name: str) -> Iterator[Json]:
    if "reference" in value:
        yield {"parameter": name, "value": value["reference"]}
    if "identifier" in value:
        yield from ({"parameter": f"{name}:identifier", **token} for token in _tokens(value["identifier"]))
