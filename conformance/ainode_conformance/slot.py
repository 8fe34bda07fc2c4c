"""Rows of a template as they apply to the children of one item, with included templates in their place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pydicom.sr.coding import Code

from ainode_conformance.condition import Condition
from ainode_conformance.content import ContentItem, same_code
from ainode_conformance.row import Cid, Include, Need, Row
from ainode_conformance.templates import TEMPLATES, group_template


@dataclass(frozen=True)
class Slot:
    """A row in the place where it is included."""

    tid: str
    row: Row
    relation: str
    need: Need
    several: bool
    """More than one item may fill it."""
    options: tuple[str, ...] = ()
    """The optional inclusions around it: its need counts only where another row of each of them is there."""
    choices: tuple[str, ...] = ()
    """Templates, one of which the item follows, as its content decides."""

    @property
    def key(self) -> str:
        """Template and row, as conditions name it."""
        return f"{self.tid}.{self.row.row}"

    @property
    def label(self) -> str:
        """What it is called in a message."""
        name = self.row.name
        known = name.meaning if isinstance(name, Code) else str(name or "")
        return f"TID {self.tid} row {self.row.row} {self.row.types} {known}".rstrip()

    def fits(self, item: ContentItem) -> bool:
        """True if relationship and value type are those of the row."""
        return item.relation == self.relation and item.value_type in self.row.types.split()

    def chosen(self, item: ContentItem) -> "Slot":
        """The same with the template that ``item`` follows."""
        if not self.choices:
            return self
        tid = group_template(item)
        return replace(self, tid=tid, row=_single(tid) or self.row, choices=())


def root_slot(tid: str) -> Slot:
    """Row 1 of a root template."""
    row = _single(tid)
    if row is None:
        raise KeyError(tid)
    return Slot(tid, row, "", "M", several=False)


def slots(tid: str, rows: Iterable[Row | Include]) -> list[Slot]:
    """``rows`` of template ``tid`` with all inclusions resolved."""
    return list(_resolved(tid, rows, "", (), several=False))


def conditions(row: Row) -> Iterator[Condition]:
    """Conditions among the rows below ``row``, those of included templates too."""
    yield from row.rules
    yield from _included_rules(row.rows)


def _included_rules(rows: Iterable[Row | Include]) -> Iterator[Condition]:
    for entry in rows:
        if isinstance(entry, Include) and _single(entry.tids[0]) is None:
            yield from TEMPLATES[entry.tids[0]].rules
            yield from _included_rules(TEMPLATES[entry.tids[0]].rows)


def _resolved(
    tid: str, rows: Iterable[Row | Include], relation: str, options: tuple[str, ...], *, several: bool
) -> Iterator[Slot]:
    for entry in rows:
        how = entry.relation or relation
        many = several or entry.vm != "1"
        if isinstance(entry, Row):
            yield Slot(tid, entry, how, entry.need, many, options)
        else:
            yield from _included(tid, entry, how, options, several=many)


def _included(tid: str, include: Include, relation: str, options: tuple[str, ...], *, several: bool) -> Iterator[Slot]:
    first = include.tids[0]
    single = _single(first)
    if single is None:
        inner = options if include.need == "M" else (*options, f"{tid}.{include.row}")
        yield from _resolved(first, TEMPLATES[first].rows, relation, inner, several=several)
        return
    need = include.need if single.need == "M" else single.need
    choices = include.tids if len(include.tids) > 1 else ()
    yield Slot(first, single, single.relation or relation, need, several or single.vm != "1", options, choices)


def _single(tid: str) -> Row | None:
    """The one top row of a template that has one, so that to include it is to place that row."""
    rows = TEMPLATES[tid].rows
    return rows[0] if len(rows) == 1 and isinstance(rows[0], Row) else None


def by_name(slot: Slot, item: ContentItem) -> bool:
    """True if the row names the concept of ``item``, itself or by its context group."""
    name, wanted = item.name, slot.row.name
    if name is None or wanted is None:
        return False
    return wanted.holds(name) if isinstance(wanted, Cid) else same_code(name, wanted)
