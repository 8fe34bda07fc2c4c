"""A search as data: what ``search`` reads from a request and the store answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ainode_fhir.cursor import Key
from ainode_fhir.inclusion import Inclusion
from ainode_fhir.ordering import Order
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import SearchParameter
from ainode_fhir.view import View

Total = Literal["none", "estimate", "accurate"]
TOTALS: Mapping[str, Total] = MappingProxyType({"none": "none", "estimate": "estimate", "accurate": "accurate"})
DEFAULT_COUNT = 50
MAX_COUNT = 500
MAX_VALUES = 400
"""Alternatives of one parameter: SQLite takes expressions of a depth of 1,000 at most."""
MAX_CRITERIA = 50
"""Parameters of one search."""
COUNTED = 1000
"""Matches that are counted unasked; where there are more, the answer gives no total."""
PAGE = "_page"
"""Parameter of the links to other pages."""


@dataclass(frozen=True)
class Criterion:
    """One parameter of a search; it holds when any of ``values`` matches."""

    parameter: SearchParameter
    values: tuple[str, ...]
    modifier: str | None = None
    """What follows the colon of ``parameter``."""
    chain: SearchParameter | None = None
    """Parameter of the resource that ``parameter`` points to."""
    chain_modifier: str | None = None
    """What follows the colon of ``chain``."""
    reverse: str | None = None
    """Of ``_has``: the type that refers, by its ``parameter``, and that ``chain`` is a parameter of."""


@dataclass(frozen=True)
class Query:
    """A whole search on one resource type; all ``criteria`` hold."""

    kind: str
    criteria: tuple[Criterion, ...] = ()
    count: int = DEFAULT_COUNT
    """Resources on a page; 0 asks for the total alone."""
    order: tuple[Order, ...] = (Order("last_updated", ascending=False), Order("id", ascending=False))
    """Newest first."""
    total: Total | None = None
    """How ``_total`` wants the matches to be counted; None for as far as it costs little."""
    after: tuple[Key, ...] | None = None
    """Keys, as of ``order``, of the last resource on the page before."""
    inclusions: tuple[Inclusion, ...] = ()
    """What comes along with the matches."""
    view: View = field(default_factory=View)
    """What of each resource is shown."""
    used: tuple[tuple[str, str], ...] = ()
    """Parameters that took part, for the ``self`` link."""
    ignored: tuple[str, ...] = ()
    """Names of parameters that the server does not know."""


def read_count(value: str) -> int:
    """``_count``: more than the most is the most; raises FhirProblem (400) for what is no whole number."""
    if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
        raise FhirProblem(
            400, "value", f"_count must be a whole number from 0 to {MAX_COUNT}, {DEFAULT_COUNT} by default"
        )
    return min(int(value), MAX_COUNT)
