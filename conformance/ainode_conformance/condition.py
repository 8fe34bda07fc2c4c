"""Conditions among the rows of a template (PS3.16 section 6.1.8), as data.

Rows are named with their template, such as ``1411.7``, since a condition may reach across included templates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom.sr.coding import Code

from ainode_conformance.content import ContentItem, same_code

Found = Mapping[str, Sequence[ContentItem]]
"""Which items are there, by row."""


class Condition(Protocol):
    """One condition."""

    @property
    def row(self) -> str:
        """The row that the standard writes the condition at, or the first of them."""

    def fault(self, found: Found) -> str | None:
        """What is wrong, in terms of rows, or None."""


@dataclass(frozen=True)
class ExactlyOne:
    """XOR: one of ``rows``, and no two; with ``given``, if and only if one of those rows is there."""

    rows: tuple[str, ...]
    given: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        """The first of them."""
        return self.rows[0]

    def fault(self, found: Found) -> str | None:
        """Too many, none, or some without the rows that call for them."""
        there = [row for row in self.rows if found.get(row)]
        wanted = not self.given or any(found.get(row) for row in self.given)
        if len(there) == int(wanted):
            return None
        if not wanted:
            return f"row {_listed(there)} is there without row {_listed(self.given)}"
        return f"of rows {_listed(self.rows)} exactly one must be there, not {len(there)}"


@dataclass(frozen=True)
class AtLeastOne:
    """At least one of ``rows``."""

    rows: tuple[str, ...]

    @property
    def row(self) -> str:
        """The first of them."""
        return self.rows[0]

    def fault(self, found: Found) -> str | None:
        """None of them is there."""
        if any(found.get(row) for row in self.rows):
            return None
        return f"none of rows {_listed(self.rows)} is there"


@dataclass(frozen=True)
class IfAndOnlyIf:
    """IFF: ``row`` is there when ``given`` has the value ``value``, and only then."""

    row: str
    given: str
    value: Code
    default: bool = False
    """``value`` also holds, where ``given`` is absent: then ``row`` may be there."""

    def fault(self, found: Found) -> str | None:
        """It is missing, or there without cause."""
        wanted = any(same_code(item.value, self.value) for item in found.get(self.given, ()))
        there = bool(found.get(self.row))
        if wanted == there or (self.default and not found.get(self.given)):
            return None
        how = "must be there" if wanted else "must not be there"
        return f"row {self.row} {how}: row {self.given} {'is' if wanted else 'is not'} {self.value.meaning!r}"


@dataclass(frozen=True)
class SaidOnce:
    """``row`` is said of a group or of each of its ``entries``, where anything is said of them at all."""

    row: str
    entries: str
    name: Code
    """The concept of ``row``."""

    def fault(self, found: Found) -> str | None:
        """Neither says it."""
        entries = found.get(self.entries, ())
        described = any(items for row, items in found.items() if row != self.entries)
        described = described or any(entry.children for entry in entries)
        of_each = bool(entries) and all(list(entry.named(self.name)) for entry in entries)
        if not described or found.get(self.row) or of_each:
            return None
        return f"row {self.row} ({self.name.meaning}) is said neither of the group nor of each entry"


def _listed(rows: Sequence[str]) -> str:
    return ", ".join(rows)
