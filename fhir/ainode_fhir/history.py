"""Versions of one resource, or of all of a type (https://hl7.org/fhir/R4/http.html#history).

Newest first. ``_count`` and ``_since`` are read; a page goes on where the last one ended, whatever was written since.
"""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ainode_fhir.compartment import Compartment
from ainode_fhir.cursor import decode, encode
from ainode_fhir.datatypes import Json
from ainode_fhir.moments import span
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.query import DEFAULT_COUNT, PAGE, read_count
from ainode_fhir.stored import Stored
from ainode_fhir.tables import resource_table as resource

_FORMATS = ("_format", "_pretty")


@dataclass(frozen=True)
class HistoryQuery:
    """Which versions are asked for."""

    kind: str
    id: str | None = None
    """None for every resource of the type."""
    count: int = DEFAULT_COUNT
    since: int | None = None
    """Microseconds since 1970-01-01 UTC: versions of that moment or later."""
    after: tuple[int, str, int] | None = None
    """``last_updated``, ``id`` and ``version`` of the last one on the page before."""
    used: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """Below the base URL."""
        return f"{self.kind}/{self.id}/_history" if self.id else f"{self.kind}/_history"


@dataclass(frozen=True)
class HistoryPage:
    """One page of versions."""

    versions: tuple[Stored, ...]
    last: Stored | None
    """The version behind which another page begins; None on the last page."""
    total: int | None
    """Versions of one resource; of a whole type they are not counted."""


def parse_history(kind: str, identity: str | None, pairs: list[tuple[str, str]], *, strict: bool) -> HistoryQuery:
    """The query that a request's parameters ask for; raises FhirProblem (400) where they ask wrongly."""
    query = HistoryQuery(kind, identity)
    for name, value in pairs:
        if name in _FORMATS or not value:
            continue
        if name == "_count":
            query = replace(query, count=read_count(value))
        elif name == "_since":
            query = replace(query, since=_instant(value))
        elif name == PAGE:
            query = replace(query, after=_position(value))
        elif strict:
            raise FhirProblem(400, "not-supported", f"a history has no parameter {name}: it has _count and _since")
        else:
            continue
        if name != PAGE:
            query = replace(query, used=(*query.used, (name, value)))
    return query


def history_page(connection: Connection, query: HistoryQuery, within: Compartment | None = None) -> HistoryPage:
    """The versions that answer ``query``; deletions are versions, too.

    With ``within`` those that are in it, and not counted: of a resource that was another patient's before, only what
    came after.
    """
    held = [resource.c.type == query.kind]
    held += [resource.c.id == query.id] if query.id else []
    held += [resource.c.last_updated >= query.since] if query.since is not None else []
    newest_first = (resource.c.last_updated.desc(), resource.c.id, resource.c.version.desc())
    held += [within.holds(query.kind, resource.c.id)] if within else []
    wanted = select(resource).where(*held, *_behind(query)).order_by(*newest_first).limit(query.count + 1)
    rows = [Stored.of(row) for row in connection.execute(wanted).mappings()] if query.count else []
    counted = select(func.count()).select_from(resource).where(*held)
    total = connection.scalar(counted) if query.id and not within else None
    page = rows[: query.count]
    shown = page if within is None else [row for row in page if within.shows(connection, row)]
    return HistoryPage(tuple(shown), page[-1] if len(rows) > query.count > 0 else None, total)


def history_bundle(query: HistoryQuery, page: HistoryPage, *, base_url: str) -> Json:
    """Bundle of type ``history``: how each version came about, and the resource unless that was a deletion."""
    links = [{"relation": "self", "url": _link(query, base_url, ())}]
    if last := page.last:
        cursor = encode([last.last_updated, last.id, last.version])
        links.append({"relation": "next", "url": _link(query, base_url, ((PAGE, cursor),))})
    body: Json = {"resourceType": "Bundle", "type": "history", "link": links}
    if page.total is not None:
        body["total"] = page.total
    entries = [_entry(version, base_url) for version in page.versions]
    return {**body, "entry": entries} if entries else body


def _behind(query: HistoryQuery) -> list[ColumnElement[bool]]:
    if query.after is None:
        return []
    moment, identity, version = query.after
    at, same = resource.c.last_updated, resource.c.last_updated == moment
    later = and_(same, resource.c.id > identity)
    return [or_(at < moment, later, and_(same, resource.c.id == identity, resource.c.version < version))]


def _entry(version: Stored, base_url: str) -> Json:
    method = "DELETE" if version.deleted else "PUT"
    status = "204 No Content" if version.deleted else "201 Created" if version.version == 1 else "200 OK"
    return {
        "fullUrl": f"{base_url}/{version.location}",
        **({} if version.deleted else {"resource": version.body}),
        "request": {"method": method, "url": version.location},
        "response": {"status": status, "etag": version.etag, "lastModified": version.last_modified},
    }


def _link(query: HistoryQuery, base_url: str, more: tuple[tuple[str, str], ...]) -> str:
    pairs = [*query.used, *more]
    return f"{base_url}/{query.path}" + (f"?{urlencode(pairs)}" if pairs else "")


def _instant(value: str) -> int:
    try:
        return span(value.replace(" ", "+"))[0]
    except ValueError as exc:
        raise FhirProblem(400, "value", f"_since: {exc}; write 2026-01-31T12:00:00Z") from exc


def _position(value: str) -> tuple[int, str, int]:
    moment, identity, version = decode(value, (int, str, int))
    return int(moment), str(identity), int(version)
