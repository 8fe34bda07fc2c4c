"""The node's own FHIR store: every version of every resource, and the index that searches look at."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from ainode_fhir.bundle import as_json
from ainode_fhir.datatypes import Json
from ainode_fhir.history import HistoryPage, HistoryQuery, history_page
from ainode_fhir.inclusion import included
from ainode_fhir.indexing import index_rows, sort_values
from ainode_fhir.moments import microseconds
from ainode_fhir.ordering import behind, order_by, place
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.query import COUNTED, Query
from ainode_fhir.result_series import whole_study
from ainode_fhir.selection import Circumstances, conditions, rare
from ainode_fhir.stored import Page, Stored
from ainode_fhir.tables import index_table, resource_table

_RETRIES = 4


class ResourceStore:
    """FHIR resources in SQL; the caller owns the engine and creates ``tables.metadata`` in it.

    Give the engine ``hide_parameters=True``: SQLAlchemy's errors else quote patient identifiers.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        base_url: str = "",
        written: Callable[[Connection, Stored, str], None] = lambda _connection, _stored, _base_url: None,
    ) -> None:
        """``clock`` gives the time with zone; ``base_url`` is accepted before references in searches.

        ``written`` is called with each new version, and ``base_url``, in the transaction that writes it.
        """
        self._written = written
        self._engine = engine
        self._clock = clock
        self._base_url = base_url

    def apply(self, bundle: Bundle) -> tuple[Stored, ...]:
        """Do the PUTs and DELETEs of a transaction, all or none; the versions that the entries have afterwards.

        A resource that is there already with the same content gets no new version. An ImagingStudy keeps the series of
        results that are not in the new content.
        """
        entries = as_json(bundle).get("entry", [])
        for _ in range(_RETRIES):
            try:
                return self._apply(entries)
            except IntegrityError:  # another process wrote the same version: look again at what is there now
                continue
        return self._apply(entries)

    def read(self, kind: str, identity: str) -> Stored | None:
        """The newest version, which may say that the resource was deleted; None when there never was one."""
        with self._engine.connect() as connection:
            return _newest(connection, kind, identity)

    def version(self, kind: str, identity: str, version: int) -> Stored | None:
        """One version of a resource; None when there never was one with this number."""
        resource = resource_table.c
        wanted = select(resource_table).where(
            resource.type == kind, resource.id == identity, resource.version == version
        )
        with self._engine.connect() as connection:
            row = connection.execute(wanted).mappings().first()
        return Stored.of(row) if row else None

    def history(self, query: HistoryQuery) -> HistoryPage:
        """The versions that answer ``query``, newest first."""
        with self._engine.connect() as connection:
            return history_page(connection, query)

    def search(self, query: Query) -> Page:
        """The resources that answer ``query``, newest first unless it says otherwise."""
        given = Circumstances(self._base_url, microseconds(self._clock()))
        with self._engine.connect() as connection:
            matches = conditions(query, replace(given, rare=rare(connection, query, given)))
            rows = _page(connection, query, matches)
            total = _total(connection, query, matches, len(rows))
            shown = tuple(Stored.of(row) for row in rows[: query.count])
            along, cut = included(connection, shown, query.inclusions)
        following = place(query.order, rows[query.count - 1]) if len(rows) > query.count > 0 else None
        return Page(total, shown, following, along, cut)

    def result_of(self, report_id: str) -> list[Json]:
        """The report, its documents, and all that they refer to, step by step, in this store; empty when there is no
        such report.
        """
        found: dict[str, Json] = {}
        waiting = [f"DiagnosticReport/{report_id}"]
        with self._engine.connect() as connection:
            waiting += _documents_of(connection, waiting[0])
            while waiting:
                location = waiting.pop()
                stored = _newest(connection, *location.split("/", 1)) if location not in found else None
                if stored and not stored.deleted:
                    found[location] = stored.content
                    waiting += _references(stored.content)
        return list(found.values())

    def _apply(self, entries: list[Json]) -> tuple[Stored, ...]:
        with self._engine.begin() as connection:
            return tuple(self._write(connection, entry) for entry in entries)

    def _write(self, connection: Connection, entry: Json) -> Stored:
        kind, identity = entry["request"]["url"].split("/", 1)
        content = None if entry["request"]["method"] == "DELETE" else entry["resource"]
        newest = _newest(connection, kind, identity)
        if newest and content and kind == "ImagingStudy":
            content = whole_study(newest.content, content)
        if newest and (newest.deleted if content is None else not newest.deleted and newest.content == content):
            return newest
        version = newest.version + 1 if newest else 1
        now = microseconds(self._clock())
        stored = Stored(kind, identity, version, now, content is None, content or {})
        _replace(connection, stored)
        self._written(connection, stored, self._base_url)
        return stored


def _replace(connection: Connection, stored: Stored) -> None:
    """Make ``stored`` the newest version, in the table and in the index."""
    resource, index = resource_table.c, index_table.c
    connection.execute(
        update(resource_table)
        .where(resource.type == stored.kind, resource.id == stored.id, resource.current)
        .values(current=False)
    )
    connection.execute(delete(index_table).where(index.type == stored.kind, index.id == stored.id))
    connection.execute(
        insert(resource_table).values(
            type=stored.kind,
            id=stored.id,
            version=stored.version,
            last_updated=stored.last_updated,
            current=True,
            deleted=stored.deleted,
            content=json.dumps(stored.content),
            **sort_values(stored.content),
        )
    )
    rows = [] if stored.deleted else index_rows(stored.content)
    if rows:
        connection.execute(insert(index_table), rows)


def _newest(connection: Connection, kind: str, identity: str) -> Stored | None:
    resource = resource_table.c
    wanted = select(resource_table).where(resource.type == kind, resource.id == identity, resource.current)
    row = connection.execute(wanted).mappings().first()
    return Stored.of(row) if row else None


def _documents_of(connection: Connection, location: str) -> list[str]:
    index = index_table.c
    wanted = select(index.id).where(
        index.type == "DocumentReference", index.parameter == "related", index.value == location
    )
    return [f"DocumentReference/{identity}" for identity in connection.scalars(wanted.order_by(index.row))]


def _page(connection: Connection, query: Query, matches: ColumnElement[bool]) -> list[RowMapping]:
    """The rows of a page, and one more where another page follows."""
    if not query.count:
        return []
    held = [matches] if query.after is None else [matches, behind(query.order, query.after)]
    wanted = select(resource_table).where(*held).order_by(*order_by(query.order)).limit(query.count + 1)
    return list(connection.execute(wanted).mappings())


def _total(connection: Connection, query: Query, matches: ColumnElement[bool], seen: int) -> int | None:
    """Matches on all pages: counting them all is what costs in a large database, so it is done only when asked for."""
    if query.total == "none" and query.count:
        return None
    if query.after is None and 0 < seen <= query.count:  # all of them are on this page
        return seen
    wanted = select(literal(1)).select_from(resource_table).where(matches)
    if query.total is None and query.count:
        wanted = wanted.limit(COUNTED + 1)
    total = connection.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    return total if query.total or not query.count or total <= COUNTED else None


def _references(value: Any) -> list[str]:
    """Every reference to a resource of this store in a piece of JSON."""
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if _is_ours(value.get("reference")) else []
    return own + [found for item in value.values() for found in _references(item)]


def _is_ours(target: object) -> bool:
    return isinstance(target, str) and target.split("/", 1)[0] in PARAMETERS
