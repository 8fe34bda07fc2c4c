"""Reads search parameters (https://hl7.org/fhir/R4/search.html) into a Query.

Supported beside plain parameters: chains of one step (``patient.identifier``, ``based-on.identifier``,
``imagingStudy.identifier``), the modifiers ``:not``, ``:identifier`` and ``:Type``, comma for "or", repetition for
"and", ``_count`` and ``_sort`` by ``_lastUpdated``. A modifier that is not supported is refused always, an unknown
parameter only when ``strict``: both as the standard says.
"""

import re
from dataclasses import dataclass, field, replace

from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import PARAMETERS, SearchParameter, search_parameter
from ainode_fhir.query import PAGE, Criterion, Cursor, Query, read_count

_PRESENTATION = ("_format", "_pretty")
_SORTS = {"_lastUpdated": True, "-_lastUpdated": False}


@dataclass
class _Reading:
    query: Query
    criteria: list[Criterion] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def parse_search(kind: str, pairs: list[tuple[str, str]], *, strict: bool) -> Query:
    """The query that ``pairs`` of names and values ask for; raises FhirProblem (400) where they ask wrongly."""
    reading = _Reading(Query(kind))
    for name, value in pairs:
        if value and name not in _PRESENTATION:
            _read(reading, name, value)
    if strict and reading.ignored:
        raise FhirProblem(400, "not-supported", _unknown(kind, reading.ignored))
    return replace(
        reading.query,
        criteria=tuple(reading.criteria),
        used=tuple(reading.used),
        ignored=tuple(reading.ignored),
    )


def ignored_text(query: Query) -> str:
    """What to tell a lenient caller of the parameters that took no part."""
    return _unknown(query.kind, query.ignored)


def split_unescaped(text: str, separator: str) -> list[str]:
    r"""``text`` at each separator that no backslash precedes; the backslashes stay."""
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def unescape(text: str) -> str:
    r"""``text`` with ``\,``, ``\|``, ``\$`` and ``\\`` as the characters that they stand for."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def _read(reading: _Reading, name: str, value: str) -> None:
    if name == PAGE:
        reading.query = replace(reading.query, after=Cursor.decode(value))
        return
    if name == "_count":
        reading.query = replace(reading.query, count=read_count(value))
    elif name == "_sort" and value in _SORTS:
        reading.query = replace(reading.query, ascending=_SORTS[value])
    elif criterion := _criterion(reading.query.kind, name, value):
        reading.criteria.append(criterion)
    else:
        reading.ignored.append(name)
        return
    reading.used.append((name, value))


def _criterion(kind: str, name: str, value: str) -> Criterion | None:
    head, _, link = name.partition(".")
    base, _, modifier = head.partition(":")
    parameter = search_parameter(kind, base)
    if parameter is None:
        return None
    chain = _chain(parameter, link)
    if link and chain is None:
        return None
    _check_modifier(name, parameter, modifier)
    return Criterion(parameter, tuple(split_unescaped(value, ",")), modifier or None, chain)


def _chain(parameter: SearchParameter, link: str) -> SearchParameter | None:
    """Parameter at the end of a chain; the identifier of a resource that lives elsewhere is in the reference."""
    if not link or parameter.kind != "reference" or link.startswith("_"):
        return None
    if parameter.target is None or parameter.target not in PARAMETERS:
        return search_parameter("Patient", "identifier") if link == "identifier" else None
    return search_parameter(parameter.target, link)


def _check_modifier(name: str, parameter: SearchParameter, modifier: str) -> None:
    allowed = {"token": ("", "not"), "reference": ("", "identifier", parameter.target), "date": ("",)}
    if modifier not in allowed[parameter.kind]:
        raise FhirProblem(400, "not-supported", f"the modifier of {name} is not supported: leave out :{modifier}")


def _unknown(kind: str, names: list[str] | tuple[str, ...]) -> str:
    known = ", ".join(item.name for item in PARAMETERS[kind])
    return f"{kind} has no search parameter {', '.join(names)}; it has {known}"
