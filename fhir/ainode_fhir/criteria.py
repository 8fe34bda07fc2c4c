r"""One parameter of a search as a Criterion: its name, modifier and chain, and what its values are joined by.

``patient.name:exact=Mustermann`` is the parameter ``patient``, the chain ``name`` and the chain's modifier ``exact``.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from ainode_fhir.outcome import FhirProblem
from ainode_fhir.parameters import PARAMETERS, Kind, SearchParameter, search_parameter
from ainode_fhir.query import MAX_VALUES, Criterion

MODIFIERS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "token": ("missing", "not"),
        "reference": ("missing", "identifier"),
        "date": ("missing",),
        "string": ("missing", "exact", "contains"),
    }
)
"""What may follow the colon, beside the resource type after a reference."""
CHAINED_MODIFIERS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {"token": (), "reference": (), "date": (), "string": ("exact", "contains")}
)
"""After the end of a chain. No ``not``: what is false of one referenced resource may be true of the next."""


def criterion(kind: str, name: str, value: str) -> Criterion | None:
    """What ``name=value`` asks for; None for an unknown parameter. FhirProblem (400) refuses a modifier."""
    if name.startswith("_has:"):
        return _reverse(kind, name, value)
    head, _, link = name.partition(".")
    base, _, modifier = head.partition(":")
    parameter = search_parameter(kind, base)
    if parameter is None:
        return None
    link, _, chain_modifier = link.partition(":")
    chain = _chain(parameter, link, modifier)
    if link and chain is None:
        return None
    _check_modifier(name, modifier, allowed=(*MODIFIERS[parameter.kind], *_types(parameter)))
    if chain:
        _check_modifier(name, chain_modifier, allowed=CHAINED_MODIFIERS[chain.kind])
        if modifier in MODIFIERS[parameter.kind]:
            raise FhirProblem(400, "not-supported", f"{name} has a modifier and a chain: use one of them")
    values = tuple(split_unescaped(value, ","))
    _check_values(name, values, missing=modifier == "missing")
    return Criterion(parameter, values, modifier or None, chain, chain_modifier or None)


def split_unescaped(text: str, separator: str) -> list[str]:
    r"""``text`` at each separator that no backslash precedes; the backslashes stay."""
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def unescape(text: str) -> str:
    r"""``text`` with ``\,``, ``\|``, ``\$`` and ``\\`` as the characters that they stand for."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def _reverse(kind: str, name: str, value: str) -> Criterion:
    """``_has:Type:reference:parameter=value``; FhirProblem (400) for an unknown one: without it more would be found."""
    parts = name.split(":", 3)
    source, reference, link = parts[1:] if len(parts) == 4 else ("", "", "")
    parameter = search_parameter(source, reference)
    end, _, modifier = link.partition(":")
    chain = search_parameter(source, end)
    if parameter is None or parameter.kind != "reference" or parameter.target not in (None, kind):
        raise FhirProblem(
            400, "not-supported", f"{name}: write _has:Type:reference:parameter, of a reference to {kind}"
        )
    if chain is None or chain.name == "_lastUpdated":
        raise FhirProblem(400, "not-supported", f"{name}: {source} has no such parameter to be tested by _has")
    _check_modifier(name, modifier, allowed=CHAINED_MODIFIERS[chain.kind])
    values = tuple(split_unescaped(value, ","))
    _check_values(name, values, missing=False)
    return Criterion(parameter, values, None, chain, modifier or None, source)


def _types(parameter: SearchParameter) -> tuple[str, ...]:
    if parameter.kind != "reference":
        return ()
    return (parameter.target,) if parameter.target else tuple(PARAMETERS)


def _chain(parameter: SearchParameter, link: str, modifier: str) -> SearchParameter | None:
    """Parameter at the end of a chain; the identifier of a resource that lives elsewhere is in the reference."""
    if not link or parameter.kind != "reference" or link.startswith("_"):
        return None
    target = parameter.target or modifier
    if target not in PARAMETERS:
        return search_parameter("Patient", "identifier") if link == "identifier" else None
    return search_parameter(target, link)


def _check_modifier(name: str, modifier: str, *, allowed: tuple[str, ...]) -> None:
    if modifier and modifier not in allowed:
        usable = f"use :{', :'.join(allowed)}" if allowed else f"leave out :{modifier}"
        raise FhirProblem(400, "not-supported", f"the modifier of {name} is not supported: {usable}")


def _check_values(name: str, values: tuple[str, ...], *, missing: bool) -> None:
    if len(values) > MAX_VALUES:
        raise FhirProblem(400, "too-costly", f"{name} has more than {MAX_VALUES} values: ask in several searches")
    if missing and values not in (("true",), ("false",)):
        raise FhirProblem(400, "value", f"{name} must be true or false")
