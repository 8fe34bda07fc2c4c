"""CapabilityStatement of the read side, made from the table that drives the search (https://hl7.org/fhir/R4/capabilitystatement.html)."""

from datetime import datetime

from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from ainode_fhir.criteria import CHAINED_MODIFIERS, MODIFIERS
from ainode_fhir.datatypes import Json, instant
from ainode_fhir.inclusion import references
from ainode_fhir.ordering import sortable
from ainode_fhir.parameters import PARAMETERS, Kind, SearchParameter

INTERACTIONS = ("read", "vread", "history-instance", "history-type", "search-type")
_ABOUT = "AI results of this node, unverified unless a human reviewed them"
FHIR_VERSION = "4.0.1"
"""R4: the R4B models that we build with equal it for every element that we write."""


def capability_statement(*, base_url: str, version: str, started: datetime, more: Json | None = None) -> Json:
    """What the server can do; ``version`` is the node's, ``started`` when it began to serve this, with zone.

    ``more`` is what ``rest`` has beside the types of ``PARAMETERS``: their likes in ``resource``, and ``security``.
    """
    rest: Json = {"mode": "server", **(more or {})}
    rest["resource"] = [*(_resource(kind) for kind in PARAMETERS), *rest.get("resource", [])]
    body: Json = CapabilityStatement.model_validate(
        {
            "name": "AinodeFhir",
            "status": "active",
            "date": instant(started),
            "kind": "instance",
            "software": {"name": "ainode", "version": version},
            "implementation": {
                "description": _ABOUT,
                "url": base_url,
            },
            "fhirVersion": FHIR_VERSION,
            "format": ["json", "application/fhir+json"],
            "rest": [rest],
        }
    ).model_dump(mode="json")
    return body


def _resource(kind: str) -> Json:
    return {
        "type": kind,
        "documentation": f"_sort by: {', '.join(sortable(kind))}",
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "conditionalRead": "not-match",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": ["*", *(f"{kind}:{each.name}" for each in references(kind))],
        "searchRevInclude": [
            "*",
            *(
                f"{source}:{each.name}"
                for source in PARAMETERS
                for each in references(source)
                if each.target in (None, kind)
            ),
        ],
        "searchParam": [entry for parameter in PARAMETERS[kind] for entry in _parameters(parameter)],
    }


def _parameters(parameter: SearchParameter) -> list[Json]:
    """The parameter, and for a reference its chains, which IMR asks for by name."""
    own: Json = {
        "name": parameter.name,
        "definition": parameter.definition,
        "type": parameter.kind,
        "documentation": _usable(MODIFIERS[parameter.kind]),
    }
    if parameter.kind != "reference" or not parameter.target:
        return [own]
    ends = [each for each in PARAMETERS.get(parameter.target, ()) if not each.name.startswith("_")]
    known: list[tuple[str, Kind]] = [(each.name, each.kind) for each in ends] or [("identifier", "token")]
    return [own, *(_chained(parameter, name, kind) for name, kind in known)]


def _chained(parameter: SearchParameter, name: str, kind: Kind) -> Json:
    usable = f"; {_usable(CHAINED_MODIFIERS[kind])}" if CHAINED_MODIFIERS[kind] else ""
    return {
        "name": f"{parameter.name}.{name}",
        "type": kind,
        "documentation": f"{name} of the {parameter.target} that {parameter.name} refers to{usable}",
    }


def _usable(modifiers: tuple[str, ...]) -> str:
    return f"modifiers :{', :'.join(modifiers)}"
