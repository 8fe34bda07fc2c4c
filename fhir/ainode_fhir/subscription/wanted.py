"""What a Subscription asks for: read from a request, and held against what its owner may read.

``criteria`` is our topic, with the guide's filters, or a search of core R4 such as ``DiagnosticReport?status=partial``.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from fhir.resources.R4B.subscription import Subscription as Model
from pydantic import ValidationError

from ainode_fhir.bundle import as_json
from ainode_fhir.datatypes import Json
from ainode_fhir.moments import span
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.query import Query
from ainode_fhir.search import parse_search
from ainode_fhir.selection import circumstances
from ainode_fhir.smart.interaction import other_types
from ainode_fhir.smart.scope import Scopes
from ainode_fhir.subscription.channel import extension, refusal
from ainode_models.uids import derived_uid

TOPIC = "urn:oid:" + derived_uid("fhir subscription topic", "result")
"""Canonical of the topic "a result was made or changed", about DiagnosticReports."""
_TOPICS_TYPE = "DiagnosticReport"
_SEARCH = re.compile(r"([A-Z][A-Za-z]{1,63})(?:\?(.*))?", re.DOTALL)
_SERVERS = ("id", "meta", "status", "error", "text")
"""Elements that the server says itself, or has no use for."""


@dataclass(frozen=True)
class Wanted:
    """A Subscription that was sent."""

    resource: Json
    """Without id, meta, status and error."""
    kind: str
    """Type of the resources that it is about."""
    off: bool
    ends: int
    """Microseconds since 1970-01-01 UTC; 0 for never."""


def read_wanted(body: bytes) -> Wanted:
    """The Subscription in a request; FhirProblem (400, 422) when it is none, or none that is served."""
    try:
        sent = json.loads(body)
        if not isinstance(sent, dict) or sent.get("resourceType") != "Subscription":
            raise FhirProblem(400, "structure", "the body must be a Subscription as JSON")
        whole = as_json(Model.model_validate(sent))
    except ValidationError as exc:
        fields = ", ".join(sorted({".".join(map(str, error["loc"])) for error in exc.errors()}))
        raise FhirProblem(400, "structure", f"this is no Subscription of R4: {fields}") from exc
    except (ValueError, RecursionError) as exc:
        raise FhirProblem(400, "structure", "the body is no JSON") from exc
    if whole["status"] not in ("requested", "off"):
        raise refusal("status must be requested, or off")
    kind, filters = criteria_of(whole)
    queries(kind, filters)
    resource = {name: value for name, value in whole.items() if name not in _SERVERS}
    return Wanted(resource, kind, whole["status"] == "off", span(whole["end"])[0] if "end" in whole else 0)


def criteria_of(resource: Json) -> tuple[str, tuple[str, ...]]:
    """Type, and the searches that all must hold; FhirProblem (422) for a topic or type that is not there."""
    criteria = resource["criteria"]
    filters = [str(value) for value in extension(resource.get("_criteria"), "backport-filter-criteria")]
    if criteria == TOPIC:
        parts = [_filter(text) for text in filters]
        return _TOPICS_TYPE, tuple(parts)
    match = _SEARCH.fullmatch(criteria)
    if not match or match[1] not in PARAMETERS or filters:
        raise refusal(f"criteria must be the topic {TOPIC}, or a search such as DiagnosticReport?status=partial")
    return match[1], (match[2],) if match[2] else ()


@lru_cache(maxsize=256)
def queries(kind: str, filters: tuple[str, ...]) -> tuple[Query, ...]:
    """The filters as searches; FhirProblem (422) for what is more than criteria, or not known."""
    found = []
    for text in filters:
        try:
            query = parse_search(kind, pairs_of(text), strict=True)
            circumstances(query, base_url="", now=0)  # only here are dates read
        except FhirProblem as problem:
            raise refusal(f"criteria: {problem}") from problem
        if len(query.criteria) != len(query.used):
            raise refusal("criteria must say which resources, and nothing of how they are shown")
        found.append(query)
    return tuple(found)


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Names and values of a filter."""
    return parse_qsl(text, max_num_fields=50)


def lacking(scopes: Scopes, kind: str, filters: Sequence[str]) -> str:
    """The scope that lacks for what a subscription tells; empty when none does."""
    wanted = [(kind, "r"), (kind, "s")]
    wanted += [(other, "s") for text in filters for other in other_types(kind, pairs_of(text))]
    missing = (f"system/{each}.{permission}" for each, permission in wanted if not scopes.allows(each, permission))
    return next(missing, "")


def _filter(text: str) -> str:
    """A filter of the topic, with or without the type before the question mark."""
    kind, mark, rest = text.partition("?")
    if mark and kind != _TOPICS_TYPE:
        raise refusal(f"the filters of this topic are about {_TOPICS_TYPE}")
    return rest if mark else text
