"""Searches among the subscriptions of one client or key, which are few."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.subscription.subscription import SUBSCRIPTION, Subscription

SEARCHED: Mapping[str, Callable[[Subscription, str], bool]] = MappingProxyType(
    {
        "_id": lambda each, value: each.id == value,
        "status": lambda each, value: each.status == value.rpartition("|")[2],
        "criteria": lambda each, value: str(each.resource["criteria"]).startswith(value),
        "url": lambda each, value: each.resource["channel"].get("endpoint") == value,
    }
)
"""Whether a subscription has a value, by the names of the parameters."""
_OTHERS = ("_format", "_pretty", "_count", "_total")


def found(own: Sequence[Subscription], pairs: Sequence[tuple[str, str]], *, base_url: str) -> Json:
    """Searchset of those that answer ``pairs`` of names and values; FhirProblem (400) for a name that is not known."""
    for name, value in pairs:
        if name in _OTHERS or not value:
            continue
        if name not in SEARCHED:
            raise FhirProblem(400, "not-supported", f"Subscription is searched by {', '.join(SEARCHED)}")
        own = [each for each in own if any(SEARCHED[name](each, part) for part in value.split(","))]
    entries: list[Json] = [
        {"fullUrl": f"{base_url}/{SUBSCRIPTION}/{each.id}", "resource": each.body, "search": {"mode": "match"}}
        for each in own
    ]
    body: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return {**body, "entry": entries} if entries else body
