"""Reads search parameters (https://hl7.org/fhir/R4/search.html) into a Query.

Supported beside plain parameters: chains of one step (``patient.identifier``, ``based-on.identifier``,
``imagingStudy.identifier``), the modifiers of ``criteria``, comma for "or", repetition for "and", ``_count``,
``_sort``, ``_total``, ``_include``, ``_revinclude``, ``_elements`` and ``_summary``. A modifier that is not supported
is refused always, an unknown parameter only when ``strict``: both as the standard says.
"""

from dataclasses import dataclass, field, replace

from ainode_fhir.criteria import criterion
from ainode_fhir.inclusion import parse_inclusion
from ainode_fhir.ordering import parse_sort, read_place
from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import PARAMETERS
from ainode_fhir.query import MAX_CRITERIA, PAGE, TOTALS, Criterion, Query, read_count
from ainode_fhir.view import changed_view

_TAKES_NAMES = ("_include", "_revinclude", "_include:iterate", "_revinclude:iterate", "_sort", "_summary", "_total")
"""What is told when it is ignored has the value, which is no patient's."""
_PRESENTATION = ("_format", "_pretty")


@dataclass
class _Reading:
    query: Query
    page: str | None = None
    criteria: list[Criterion] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def parse_search(kind: str, pairs: list[tuple[str, str]], *, strict: bool) -> Query:
    """The query that ``pairs`` of names and values ask for; raises FhirProblem (400) where they ask wrongly."""
    reading = _Reading(Query(kind))
    for name, value in pairs:
        if "\0" in name + value:  # PostgreSQL has no such text
            raise FhirProblem(400, "value", "a parameter holds a NUL character")
        if value and name not in _PRESENTATION:
            _read(reading, name, value)
    if strict and reading.ignored:
        raise FhirProblem(400, "not-supported", _unknown(kind, reading.ignored))
    if len(reading.criteria) > MAX_CRITERIA:
        raise FhirProblem(400, "too-costly", f"a search has {MAX_CRITERIA} parameters at most")
    query = reading.query
    if query.view.summary == "text" and query.inclusions:
        raise FhirProblem(400, "not-supported", "_summary=text cannot be asked for with _include or _revinclude")
    return replace(
        query,
        count=0 if query.view.summary == "count" else query.count,
        after=read_place(query.order, reading.page) if reading.page else None,
        criteria=tuple(reading.criteria),
        used=tuple(reading.used),
        ignored=tuple(reading.ignored),
    )


def ignored_text(query: Query) -> str:
    """What to tell a lenient caller of the parameters that took no part."""
    return _unknown(query.kind, query.ignored)


def _read(reading: _Reading, name: str, value: str) -> None:
    if name == PAGE:
        reading.page = value
        return
    if changed := _directive(reading.query, name, value):
        reading.query = changed
    elif asked := criterion(reading.query.kind, name, value):
        reading.criteria.append(asked)
    else:
        reading.ignored.append(f"{name}={value}" if name in _TAKES_NAMES else name)
        return
    reading.used.append((name, value))


def _directive(query: Query, name: str, value: str) -> Query | None:
    """The query as changed by a parameter that is about the answer; None when ``name`` is none, or is not known so."""
    if name == "_count":
        return replace(query, count=read_count(value))
    if name == "_sort" and (order := parse_sort(query.kind, value)):
        return replace(query, order=order)
    if name == "_total" and value in TOTALS:
        return replace(query, total=TOTALS[value])
    if (asked := parse_inclusion(query.kind, name, value)) is not None:
        return replace(query, inclusions=(*query.inclusions, *asked))
    if view := changed_view(query.view, query.kind, name, value):
        return replace(query, view=view)
    return None


def _unknown(kind: str, names: list[str] | tuple[str, ...]) -> str:
    known = ", ".join(item.name for item in PARAMETERS[kind])
    return f"{kind} has no search parameter {', '.join(names)}; it has {known}"
