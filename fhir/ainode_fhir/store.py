"""The node's own FHIR store: every version of every resource, and the index that searches look at."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import Connection, Engine, RowMapping, Select, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from ainode_fhir.bundle import as_json
from ainode_fhir.compartment import Compartment, compartment_of
from ainode_fhir.datatypes import Json
from ainode_fhir.history import HistoryPage, HistoryQuery, history_page
from ainode_fhir.inclusion import included
from ainode_fhir.indexing import index_rows, sort_values
from ainode_fhir.moments import microseconds
from ainode_fhir.operand import bound
from ainode_fhir.ordering import behind, order_by, place
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.query import COUNTED, Query
from ainode_fhir.result_series import whole_study
from ainode_fhir.selection import (
    Circumstances,
    circumstances,
    conditions,
    looks_few_up,
    named,
    rare,
    shape,
    surely_many,
)
from ainode_fhir.statements import Statements
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
        # Each statement sees what is there when it begins, as it would in a transaction of this isolation, which costs
        # two more questions to the database.
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._base_url = base_url
        self._statements = Statements()

    def apply(self, bundle: Bundle) -> tuple[Stored, ...]:
        """Do the PUTs and DELETEs of a transaction, all or none; the versions that the entries have afterwards.

        A resource that is there already with the same content gets no new version; nor, where an entry has
        ``ifNoneMatch`` (``*``, RFC 9110 13.1.2), one that ever was there. An ImagingStudy keeps the
        series of results that are not in the new content.
        """
        entries = as_json(bundle).get("entry", [])
        for _ in range(_RETRIES):
            try:
                return self._apply(entries)
            except IntegrityError:  # another process wrote the same version: look again at what is there now
                continue
        return self._apply(entries)

    def compartment(self, identifiers: tuple[str, ...]) -> Compartment:
        """What belongs to the patients with these identifiers (``system|value``), to be given as ``within``."""
        with self._reading.connect() as connection:
            return compartment_of(connection, identifiers)

    def shows(self, stored: Stored, within: Compartment) -> bool:
        """Whether a version is within a compartment."""
        with self._reading.connect() as connection:
            return within.shows(connection, stored)

    def read(self, kind: str, identity: str) -> Stored | None:
        """The newest version, which may say that the resource was deleted; None when there never was one."""
        with self._reading.connect() as connection:
            return _newest(connection, kind, identity)

    def version(self, kind: str, identity: str, version: int) -> Stored | None:
        """One version of a resource; None when there never was one with this number."""
        resource = resource_table.c
        wanted = select(resource_table).where(
            resource.type == kind, resource.id == identity, resource.version == version
        )
        with self._reading.connect() as connection:
            row = connection.execute(wanted).mappings().first()
        return Stored.of(row) if row else None

    def history(self, query: HistoryQuery, within: Compartment | None = None) -> HistoryPage:
        """The versions that answer ``query``, newest first."""
        with self._reading.connect() as connection:
            return history_page(connection, query, within)

    def search(self, query: Query, within: Compartment | None = None) -> Page:
        """The resources that answer ``query``, newest first unless it says otherwise."""
        given = circumstances(query, base_url=self._base_url, now=microseconds(self._clock()), within=within)
        with self._reading.connect() as connection:
            given = replace(given, rare=rare(connection, query, given))
            rows = self._page(connection, query, given)
            total = self._total(connection, query, given, seen=len(rows))
            shown = tuple(Stored.of(row) for row in rows[: query.count])
            along, cut = included(connection, shown, query.inclusions, within)
        following = place(query.order, rows[query.count - 1]) if len(rows) > query.count > 0 else None
        return Page(total, shown, following, along, cut)

    def result_of(self, report_id: str) -> list[Json]:
        """The report, all that it refers to, step by step, in this store, and its documents; empty without a report."""
        found: dict[str, Json] = {}
        waiting = [f"DiagnosticReport/{report_id}"]
        with self._reading.connect() as connection:
            waiting = [*_documents_of(connection, waiting[0]), *waiting]
            while waiting:
                location = waiting.pop()
                stored = _newest(connection, *location.split("/", 1)) if location not in found else None
                if stored and not stored.deleted:
                    found[location] = stored.content
                    waiting += _references(stored.content)
        return list(found.values())

    def _page(self, connection: Connection, query: Query, given: Circumstances) -> Sequence[RowMapping]:
        """The rows of a page, and one more where another page follows."""
        if not query.count:
            return []
        after = {f"after_{at}": key for at, key in enumerate(query.after or ())}

        def make() -> Select[Any]:
            few = looks_few_up(query, given)
            keys = [bound(name, key) for name, key in after.items()]
            held = [conditions(query, given), *([behind(query.order, keys)] if keys else [])]
            return select(resource_table).where(*held).order_by(*order_by(query.order, few=few)).limit(query.count + 1)

        like = shape(query, given)
        how = like and ("page", like, query.count, bool(after))
        return self._statements.run(connection, how, named(given) | after, make).mappings().all()

    def _total(self, connection: Connection, query: Query, given: Circumstances, *, seen: int) -> int | None:
        """Matches on all pages: counting them all is what costs in a large database, so it is done when asked for."""
        if query.total == "none" and query.count:
            return None
        if query.count and query.after is None and seen <= query.count:  # all of them are on this page
            return seen
        bounded = query.total is None and query.count > 0
        if bounded and surely_many(connection, query, given):
            return None

        def make() -> Select[Any]:
            wanted = select(literal(1)).select_from(resource_table).where(conditions(query, given))
            if bounded and not query.criteria:  # else PostgreSQL reads its table from the start, whatever is there
                wanted = wanted.order_by(*order_by(query.order, few=False))
            wanted = wanted.limit(COUNTED + 1) if bounded else wanted
            return select(func.count()).select_from(wanted.subquery())

        like = shape(query, given)
        total = self._statements.run(connection, like and ("total", like, bounded), named(given), make).scalar() or 0
        return total if query.total or not query.count or total <= COUNTED else None

    def _apply(self, entries: list[Json]) -> tuple[Stored, ...]:
        with self._engine.begin() as connection:
            return tuple(self._write(connection, entry) for entry in entries)

    def _write(self, connection: Connection, entry: Json) -> Stored:
        kind, identity = entry["request"]["url"].split("/", 1)
        content = None if entry["request"]["method"] == "DELETE" else entry["resource"]
        newest = _newest(connection, kind, identity)
        if newest and entry["request"].get("ifNoneMatch"):
            return newest
        if newest and content and kind == "ImagingStudy":
            content = whole_study(newest.content, content)
        if newest and (newest.deleted if content is None else not newest.deleted and newest.content == content):
            return newest
        version = newest.version + 1 if newest else 1
        now = microseconds(self._clock())
        stored = Stored(kind, identity, version, now, content is None, json.dumps(content or {}))
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
            content=stored.text,
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
