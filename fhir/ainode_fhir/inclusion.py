"""Resources that come along with the matches of a search (https://hl7.org/fhir/R4/search.html#include).

``_include`` follows references from the matches, ``_revinclude`` finds what refers to them; with ``:iterate`` they also
start from what came along. Each resource comes once, and never more than a bound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ainode_fhir.compartment import Compartment
from ainode_fhir.parameters import PARAMETERS, SearchParameter, elements, search_parameter
from ainode_fhir.stored import Stored
from ainode_fhir.tables import index_table as index
from ainode_fhir.tables import resource_table as resource

MAX_INCLUDED = 1000
"""Resources that come along with one page."""
_AT_ONCE = 400
"""Locations in one statement."""
_MODIFIERS = ("", "iterate", "recurse")
Location = tuple[str, str]
"""Type and id."""


@dataclass(frozen=True)
class Inclusion:
    """References by one search parameter, to follow or to come back by."""

    source: str
    """Type of the resource that refers."""
    parameter: SearchParameter
    reverse: bool
    """``_revinclude``: from what is referred to, to what refers."""
    iterate: bool
    target: str | None = None
    """Only references to this type."""


def parse_inclusion(kind: str, name: str, value: str) -> tuple[Inclusion, ...] | None:
    """What ``_include`` or ``_revinclude`` asks for; None for another name, an unknown modifier, type or parameter."""
    directive, _, modifier = name.partition(":")
    if directive not in ("_include", "_revinclude") or modifier not in _MODIFIERS:
        return None
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if target and target not in PARAMETERS:
        return None
    reverse, iterate = directive == "_revinclude", modifier != ""
    asked = (
        Inclusion(each, item, reverse, iterate, target or None) for each, item in _meant(kind, source, code, reverse)
    )
    inclusions = tuple(item for item in asked if _is_reference(item))
    every = value == "*" or (source in PARAMETERS and code == "*")
    return inclusions if inclusions or every else None


def references(kind: str) -> list[SearchParameter]:
    """Parameters of a type that lead to resources that this server has."""
    return [item for item in PARAMETERS[kind] if item.kind == "reference" and (item.target or kind) in PARAMETERS]


def included(
    connection: Connection,
    matches: Sequence[Stored],
    inclusions: Sequence[Inclusion],
    within: Compartment | None = None,
) -> tuple[tuple[Stored, ...], bool]:
    """What comes along with ``matches``, and whether it is less than there is; nothing that is not ``within``."""
    seen: dict[Location, Stored | None] = {(item.kind, item.id): None for item in matches}
    start, asked = list(matches), list(inclusions)
    while start and asked:
        wanted = [place for item in asked for place in _along(connection, item, start, within)]
        fresh = [place for place in dict.fromkeys(wanted) if place not in seen]
        found = _read(connection, fresh[: MAX_INCLUDED + 1], within)
        seen |= dict.fromkeys(fresh) | {(item.kind, item.id): item for item in found}
        if len(_present(seen)) > MAX_INCLUDED or len(fresh) > MAX_INCLUDED + 1:
            return _present(seen)[:MAX_INCLUDED], True
        start, asked = found, [item for item in asked if item.iterate]
    return _present(seen), False


def _present(seen: dict[Location, Stored | None]) -> tuple[Stored, ...]:
    return tuple(item for item in seen.values() if item)


def _meant(kind: str, source: str, code: str, reverse: bool) -> Iterator[tuple[str, SearchParameter]]:
    """Types and parameters of ``Type:parameter``, ``Type:*`` or ``*``."""
    if source == "*" and not code:
        for each in PARAMETERS if reverse else (kind,):
            yield from ((each, item) for item in references(each))
    elif code == "*" and source in PARAMETERS:
        yield from ((source, item) for item in references(source))
    elif parameter := search_parameter(source, code):
        yield source, parameter


def _is_reference(item: Inclusion) -> bool:
    return item.parameter.kind == "reference" and (item.target is None or item.parameter.target in (None, item.target))


def _along(
    connection: Connection, item: Inclusion, start: Sequence[Stored], within: Compartment | None
) -> list[Location]:
    if item.reverse:
        return _referring(connection, item, start, within)
    starts = [each.content for each in start if each.kind == item.source]
    values = (value for content in starts for value in elements(content, item.parameter.path))
    places = (value["reference"].split("/") for value in values if "reference" in value)
    ours = ((place[0], place[1]) for place in places if len(place) == 2 and place[0] in PARAMETERS)
    return [place for place in ours if item.target in (None, place[0])]


def _referring(
    connection: Connection, item: Inclusion, start: Sequence[Stored], within: Compartment | None
) -> list[Location]:
    locations = [each.location for each in start if item.target in (None, each.kind)]
    wanted = select(index.c.id).where(index.c.type == item.source, index.c.parameter == item.parameter.name)
    if within:
        wanted = wanted.where(within.holds(item.source, index.c.id))
    found: list[Location] = []
    for some in _portions(locations):
        rows = connection.scalars(wanted.where(index.c.value.in_(some)).order_by(index.c.row).limit(MAX_INCLUDED + 2))
        found += [(item.source, identity) for identity in rows]
    return found


def _read(connection: Connection, places: Sequence[Location], within: Compartment | None) -> list[Stored]:
    """The newest versions, without those that were deleted or that never came here, in the order of ``places``."""
    found: dict[Location, Stored] = {}
    for kind in dict.fromkeys(place[0] for place in places):
        for some in _portions([place[1] for place in places if place[0] == kind]):
            # Which versions are the newest is not asked: SQLite would go through those of all resources by their index.
            wanted = select(resource).where(resource.c.type == kind, resource.c.id.in_(some))
            wanted = wanted.where(within.holds(kind, resource.c.id)) if within else wanted
            rows = connection.execute(wanted).mappings()
            found |= {(kind, row["id"]): Stored.of(row) for row in rows if row["current"] and not row["deleted"]}
    return [found[place] for place in places if place in found]


def _portions(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
