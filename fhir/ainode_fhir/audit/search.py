"""Searches of the record of access (https://hl7.org/fhir/R4/auditevent.html#search)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Engine, and_, func, or_, select, true, tuple_
from sqlalchemy.sql import ColumnElement

from ainode_fhir.audit.entry import AuditEntry, Recorded
from ainode_fhir.moments import span
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.query import DEFAULT_COUNT, MAX_COUNT
from ainode_fhir.smart.tables import audit_table

_ROW = audit_table.c
_FIELDS = tuple(AuditEntry.__dataclass_fields__)
_PRESENTATION = ("_format", "_pretty")
_SORTS = {"date": True, "-date": False, "_lastUpdated": True, "-_lastUpdated": False}
_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class AuditParameter:
    """One search parameter."""

    name: str
    kind: str
    path: str
    matches: Callable[[str, str], ColumnElement[bool]]
    """Of its name and one value; FhirProblem (400) for a value that it cannot have."""


@dataclass(frozen=True)
class AuditQuery:
    """A whole search."""

    criteria: tuple[ColumnElement[bool], ...] = ()
    count: int = DEFAULT_COUNT
    ascending: bool = False
    after: tuple[int, int] | None = None
    """Time (microseconds) and id of the last event of the page before."""
    total: bool = False
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


def _date(name: str, value: str) -> ColumnElement[bool]:
    match = re.fullmatch(r"(eq|ne|gt|ge|lt|le|sa|eb)?(\d.*)", value.replace(" ", "+"))
    try:
        low, high = span(match[2] if match else value)
    except ValueError as exc:
        raise FhirProblem(400, "value", f"{name}: {exc}") from exc
    at = _ROW.recorded
    within = and_(at >= low, at < high)
    held: Mapping[str, ColumnElement[bool]] = {
        "eq": within,
        "ne": ~within,
        "gt": at >= high,
        "sa": at >= high,
        "ge": at >= low,
        "lt": at < low,
        "eb": at < low,
        "le": at < high,
    }
    return held[(match[1] if match else None) or "eq"]


def _id(_name: str, value: str) -> ColumnElement[bool]:
    return _ROW.id == (int(value) if _is_number(value) else -1)


def _agent(_name: str, value: str) -> ColumnElement[bool]:
    return _ROW.agent == value.removeprefix("|")


def _entity(_name: str, value: str) -> ColumnElement[bool]:
    return or_(_ROW.entity == value, _ROW.patient == value)


def _patient(_name: str, value: str) -> ColumnElement[bool]:
    return _ROW.patient == f"Patient/{value.removeprefix('Patient/')}"


def _code(column: ColumnElement[str]) -> Callable[[str, str], ColumnElement[bool]]:
    return lambda _name, value: column == value.rpartition("|")[2]


AUDIT_PARAMETERS: Mapping[str, AuditParameter] = MappingProxyType(
    {
        each.name: each
        for each in (
            AuditParameter("_id", "token", "id", _id),
            AuditParameter("_lastUpdated", "date", "meta.lastUpdated", _date),
            AuditParameter("date", "date", "recorded", _date),
            AuditParameter("agent:identifier", "token", "agent.who.identifier", _agent),
            AuditParameter("altid", "token", "agent.altId", _agent),
            AuditParameter("entity", "reference", "entity.what", _entity),
            AuditParameter("patient", "reference", "entity.what", _patient),
            AuditParameter("outcome", "token", "outcome", _code(_ROW.outcome)),
            AuditParameter("subtype", "token", "subtype", _code(_ROW.event)),
            AuditParameter("address", "string", "agent.network.address", _code(_ROW.address)),
        )
    }
)
"""Search parameters of AuditEvent by their name, with modifier where only that is known."""


def parse_audit_search(pairs: list[tuple[str, str]], *, strict: bool) -> AuditQuery:
    """The search that ``pairs`` of names and values ask for; FhirProblem (400) where they ask wrongly."""
    criteria: list[ColumnElement[bool]] = []
    settings: dict[str, object] = {}
    used, ignored = [], []
    for name, value in pairs:
        if not value or name in _PRESENTATION:
            continue
        if "\0" in value:
            raise FhirProblem(400, "value", "no value may hold the character NUL")
        if parameter := AUDIT_PARAMETERS.get(name):
            criteria.append(or_(*(parameter.matches(name, part) for part in value.split(","))))
        elif (found := _setting(name, value)) is not None:
            settings |= found
        else:
            ignored.append(name)
            continue
        used += [(name, value)] if name != "_page" else []
    if strict and ignored:
        raise FhirProblem(400, "not-supported", unknown(ignored))
    return AuditQuery(tuple(criteria), used=tuple(used), ignored=tuple(ignored), **settings)  # type: ignore[arg-type]


def unknown(names: tuple[str, ...] | list[str]) -> str:
    """What to say of parameters that are not there."""
    return f"AuditEvent has no search parameter {', '.join(names)}; it has {', '.join(AUDIT_PARAMETERS)}"


def find_events(engine: Engine, query: AuditQuery) -> tuple[list[Recorded], bool, int | None]:
    """Events of a page, whether there are more, and the total, if it is asked for."""
    order = [column.asc() if query.ascending else column.desc() for column in (_ROW.recorded, _ROW.id)]
    page = select(audit_table).where(*query.criteria, _behind(query))
    with engine.connect() as connection:
        counted = select(func.count()).select_from(audit_table).where(*query.criteria)
        total = connection.scalar(counted) if query.total or not query.count else None
        rows = connection.execute(page.order_by(*order).limit(query.count + 1)).mappings().all() if query.count else []
    found = [Recorded(row["id"], row["recorded"], AuditEntry(**{name: row[name] for name in _FIELDS})) for row in rows]
    return found[: query.count], len(found) > query.count > 0, total


def page_after(event: Recorded) -> str:
    """``_page`` of the page behind an event."""
    return f"{event.recorded}-{event.id}"


def _behind(query: AuditQuery) -> ColumnElement[bool]:
    if query.after is None:
        return true()
    place = tuple_(_ROW.recorded, _ROW.id)
    return place > query.after if query.ascending else place < query.after


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER


def _setting(name: str, value: str) -> dict[str, object] | None:
    """What a parameter that chooses no events says; None when it is not known."""
    if name == "_sort" and value in _SORTS:
        return {"ascending": _SORTS[value]}
    if name == "_total" and value in ("none", "estimate", "accurate"):
        return {"total": value != "none"}
    if name == "_count":
        return {"count": min(_numbers(name, value, 1)[0], MAX_COUNT)}
    return {"after": _numbers(name, value, 2)} if name == "_page" else None


def _numbers(name: str, value: str, count: int) -> tuple[int, ...]:
    parts = value.split("-")
    if len(parts) != count or not all(map(_is_number, parts)):
        raise FhirProblem(400, "value", f"{name} is none: give a whole number for _count, and follow links for pages")
    return tuple(map(int, parts))
