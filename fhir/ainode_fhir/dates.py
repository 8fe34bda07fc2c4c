"""Dates of searches as conditions (https://hl7.org/fhir/R4/search.html#prefix)."""

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, not_, or_, true

from ainode_fhir.moments import span
from ainode_fhir.outcome import FhirProblem

PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
_PREFIXED = re.compile(rf"({'|'.join(PREFIXES)})?(\d.*)", re.DOTALL)
_APPROXIMATELY = 10
"""The reciprocal of 10 %, which is the standard's recommendation."""
_YEAR = 366 * 24 * 3600 * 1_000_000
"""Microseconds of the longest time that a date can be."""
Value = ColumnElement[int]


@dataclass(frozen=True)
class Dated:
    """A date that is searched for; all in microseconds since 1970-01-01 UTC."""

    prefix: str
    low: int
    """First of it."""
    high: int
    """First after it."""

    def met_by(self, low: Value, high: Value) -> ColumnElement[bool]:
        """Whether the time from ``low`` to before ``high`` of a resource answers it."""
        within = and_(low >= self.low, high <= self.high)
        return {
            "eq": within,
            "ne": not_(within),
            "gt": high > self.high,
            "ge": or_(high > self.high, within),
            "lt": low < self.low,
            "le": or_(low < self.low, within),
            "sa": low >= self.high,
            "eb": high <= self.low,
            "ap": and_(low < self.high, high > self.low),
        }[self.prefix]

    def may_be_met_from(self, low: Value) -> ColumnElement[bool]:
        """Whether a time from ``low`` on can answer it: true of all that do, and a range of an index."""
        longest = self.low - _YEAR
        return {
            "eq": and_(low >= self.low, low < self.high),
            "gt": low > longest,
            "ge": low > longest,
            "lt": low < self.low,
            "le": low < self.high,
            "sa": low >= self.high,
            "eb": low < self.low,
            "ap": and_(low > longest, low < self.high),
        }.get(self.prefix, true())


def read_date(value: str, name: str, *, now: int) -> Dated:
    """The date that ``value`` of parameter ``name`` says; raises FhirProblem (400) where it says none.

    A blank is the plus sign of a zone that a caller did not encode. About (``ap``) is a tenth of the time from there
    to ``now`` before it and after it.
    """
    match = _PREFIXED.fullmatch(value.replace(" ", "+"))
    if not match:
        raise FhirProblem(400, "value", f"{name} must be a date with {', '.join(PREFIXES)} or nothing before it")
    try:
        low, high = span(match[2])
    except ValueError as exc:
        raise FhirProblem(400, "value", f"{name}: {exc}; write 2026, 2026-01-31 or 2026-01-31T12:00:00Z") from exc
    around = abs(now - low) // _APPROXIMATELY if match[1] == "ap" else 0
    return Dated(match[1] or "eq", low - around, high + around)
