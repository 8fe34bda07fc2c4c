"""CapabilityStatement of the read side, made from the table that drives the search (https://hl7.org/fhir/R4/capabilitystatement.html)."""

from datetime import datetime

from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from ainode_fhir.datatypes import Json, instant
from ainode_fhir.parameters import PARAMETERS, SearchParameter

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
            "implementation": {"description": "AI results of this node, unverified", "url": base_url},
            "fhirVersion": FHIR_VERSION,
            "format": ["json", "application/fhir+json"],
            "rest": [rest],
        }
    ).model_dump(mode="json")
    return body


def _resource(kind: str) -> Json:
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "conditionalRead": "not-match",
        "referencePolicy": ["literal", "logical"],
        "searchParam": [entry for parameter in PARAMETERS[kind] for entry in _parameters(parameter)],
    }


def _parameters(parameter: SearchParameter) -> list[Json]:
    """The parameter, and for a reference its chain to the identifier, which IMR asks for by name."""
    own: Json = {"name": parameter.name, "definition": parameter.definition, "type": parameter.kind}
    chained = {
        "name": f"{parameter.name}.identifier",
        "type": "token",
        "documentation": f"Identifier of the {parameter.target} that {parameter.name} refers to",
    }
    return [own, chained] if parameter.kind == "reference" and parameter.target else [own]
