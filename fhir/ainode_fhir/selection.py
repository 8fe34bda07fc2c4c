"""A Query as SQL conditions on the resource table."""

import re

from sqlalchemy import ColumnElement, Select, and_, false, literal, or_, select

from ainode_fhir.moments import span
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import PARAMETERS, SearchParameter
from ainode_fhir.query import Criterion, Query
from ainode_fhir.search import split_unescaped, unescape
from ainode_fhir.tables import index_table as index
from ainode_fhir.tables import resource_table as resource

_UID = re.compile(r"\d+(\.\d+)+")


def conditions(query: Query, *, base_url: str) -> ColumnElement[bool]:
    """What a row of the resource table must be to answer ``query``, apart from its page."""
    return and_(
        resource.c.type == query.kind,
        resource.c.current,
        ~resource.c.deleted,
        *(_condition(query.kind, criterion, base_url) for criterion in query.criteria),
    )


def page_condition(query: Query) -> ColumnElement[bool]:
    """Behind the cursor, in the order of the query."""
    if query.after is None:
        return resource.c.id.is_not(None)
    moved, same = resource.c.last_updated, resource.c.last_updated == query.after.last_updated
    behind = moved > query.after.last_updated if query.ascending else moved < query.after.last_updated
    return or_(behind, and_(same, resource.c.id > query.after.id))


def _condition(kind: str, criterion: Criterion, base_url: str) -> ColumnElement[bool]:
    name, values = criterion.parameter.name, criterion.values
    if name == "_id":
        held: ColumnElement[bool] = resource.c.id.in_([unescape(value) for value in values])
    elif name == "_lastUpdated":
        held = or_(*(_moment(value, name) for value in values))
    elif criterion.chain:
        held = _chained(kind, criterion, criterion.chain)
    elif criterion.modifier == "identifier":
        held = _among(kind, f"{name}:identifier", or_(*map(_token, values)))
    else:
        held = _among(kind, name, or_(*(_match(criterion.parameter, value, base_url) for value in values)))
    return ~held if criterion.modifier == "not" else held


def _among(kind: str, name: str, match: ColumnElement[bool]) -> ColumnElement[bool]:
    return resource.c.id.in_(_indexed(kind, name).where(match))


def _indexed(kind: str, name: str) -> Select[tuple[str]]:
    return select(index.c.id).where(index.c.type == kind, index.c.parameter == name)


def _chained(kind: str, criterion: Criterion, chain: SearchParameter) -> ColumnElement[bool]:
    """The referenced resource is found in our index, or the reference carries the identifier itself."""
    name, target = criterion.parameter.name, criterion.parameter.target
    match = or_(*(_match(chain, value, "") for value in criterion.values))
    found = (
        select(literal(f"{target}/") + index.c.id)
        .where(index.c.type == target, index.c.parameter == chain.name)
        .where(match)
    )
    literally = resource.c.id.in_(_indexed(kind, name).where(index.c.value.in_(found)))
    logically = _among(kind, f"{name}:identifier", match) if chain.name == "identifier" else false()
    return or_(literally, logically)


def _match(parameter: SearchParameter, value: str, base_url: str) -> ColumnElement[bool]:
    if parameter.kind == "token":
        return _token(value)
    if parameter.kind == "date":
        return _period(value, parameter.name)
    return index.c.value.in_(_references(parameter, unescape(value), base_url))


def _token(value: str) -> ColumnElement[bool]:
    """``code``, ``system|code``, ``|code`` or ``system|``; a bare DICOM UID also matches as ``urn:oid:``."""
    *systems, code = (unescape(part) for part in split_unescaped(value, "|"))
    forms = (code, f"urn:oid:{code}") if _UID.fullmatch(code) else (code,)
    matches: list[ColumnElement[bool]] = [index.c.value.in_(forms)] if code else []
    matches += [index.c.system == system for system in systems[:1]]
    return and_(*matches) if matches else false()


def _references(parameter: SearchParameter, value: str, base_url: str) -> list[str]:
    relative = value.removeprefix(f"{base_url}/")
    if "/" in relative:
        return [relative]
    targets = [parameter.target] if parameter.target else list(PARAMETERS)
    return [f"{target}/{relative}" for target in targets]


def _moment(value: str, name: str) -> ColumnElement[bool]:
    prefix, low, high = _range(value, name)
    at = resource.c.last_updated
    return {
        "eq": and_(at >= low, at < high),
        "gt": at >= high,
        "ge": at >= low,
        "lt": at < low,
        "le": at < high,
    }[prefix]


def _period(value: str, name: str) -> ColumnElement[bool]:
    """Ranges against ranges, as the table of prefixes in https://hl7.org/fhir/R4/search.html#prefix says."""
    prefix, low, high = _range(value, name)
    within = and_(index.c.low >= low, index.c.high <= high)
    return {
        "eq": within,
        "gt": index.c.high > high,
        "ge": or_(index.c.high > high, within),
        "lt": index.c.low < low,
        "le": or_(index.c.low < low, within),
    }[prefix]


def _range(value: str, name: str) -> tuple[str, int, int]:
    """Prefix and span of a date; a blank is the plus sign of a zone that a caller did not encode."""
    match = re.fullmatch(r"(eq|gt|ge|lt|le)?(\d.*)", value.replace(" ", "+"))
    if not match:
        raise FhirProblem(400, "value", f"{name} must be a date with eq, gt, ge, lt, le or nothing before it")
    try:
        low, high = span(match[2])
    except ValueError as exc:
        raise FhirProblem(400, "value", f"{name}: {exc}; write 2026, 2026-01-31 or 2026-01-31T12:00:00Z") from exc
    return match[1] or "eq", low, high
