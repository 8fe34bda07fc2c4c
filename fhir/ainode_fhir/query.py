"""A search as data: what ``search`` reads from a request and the store answers."""

import re
from dataclasses import dataclass

from ainode_fhir.cursor import decode, encode
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import SearchParameter

DEFAULT_COUNT = 50
MAX_COUNT = 500
PAGE = "_page"
"""Parameter of the links to other pages."""


@dataclass(frozen=True)
class Cursor:
    """The last resource of a page; the next page starts behind it."""

    last_updated: int
    """Microseconds since 1970-01-01 UTC."""
    id: str

    def encode(self) -> str:
        """Opaque text for a link."""
        return encode([self.last_updated, self.id])

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """The cursor of a link that this server made; raises FhirProblem (400) for any other text."""
        last_updated, identity = decode(text, (int, str))
        return cls(int(last_updated), str(identity))


@dataclass(frozen=True)
class Criterion:
    """One parameter of a search; it holds when any of ``values`` matches."""

    parameter: SearchParameter
    values: tuple[str, ...]
    modifier: str | None = None
    """What follows the colon: ``not``, ``identifier`` or a resource type."""
    chain: SearchParameter | None = None
    """Parameter of the resource that ``parameter`` points to."""


@dataclass(frozen=True)
class Query:
    """A whole search on one resource type; all ``criteria`` hold."""

    kind: str
    criteria: tuple[Criterion, ...] = ()
    count: int = DEFAULT_COUNT
    """Resources on a page; 0 asks for the total alone."""
    ascending: bool = False
    """Oldest first instead of newest first, by ``meta.lastUpdated``."""
    after: Cursor | None = None
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
