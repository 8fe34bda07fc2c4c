"""The engine: walks a content tree against the rows of its templates (PS3.16 section 6)."""

from collections.abc import Iterator, Mapping, Sequence

from pydicom.sr.coding import Code

from ainode_conformance.content import ContentItem, first_code, same_code
from ainode_conformance.place import place
from ainode_conformance.row import Cid
from ainode_conformance.slot import Slot, by_name, conditions, root_slot, slots
from ainode_conformance.templates import TEMPLATES, group_template, usual_types
from ainode_conformance.violation import Severity, Violation


def template_violations(root: ContentItem, tid: str) -> Iterator[Violation]:
    """What in the tree below ``root`` breaks the root template ``tid``."""
    slot = root_slot(tid)
    if root.value_type not in slot.row.types.split():
        yield _violation(slot, root, "value-type", f"its value type is {root.value_type or 'missing'}", _should(slot))
        return
    if isinstance(slot.row.name, Cid):
        yield from _in_value_set(slot, root, slot.row.name, root.name, "concept name")
    yield from _below(root, slot)


def group_violations(group: ContentItem) -> Iterator[Violation]:
    """What in a measurement group that no row of a template found breaks the template that it follows."""
    return _below(group, root_slot(group_template(group)))


def _item(item: ContentItem, slot: Slot) -> Iterator[Violation]:
    slot = slot.chosen(item)
    values = slot.row.values
    if values is not None:
        found = _unit(item) if item.value_type == "NUM" else item.value
        yield from _in_value_set(slot, item, values, found, "unit" if item.value_type == "NUM" else "value")
    if not item.by_reference:
        yield from _below(item, slot)


def _below(item: ContentItem, slot: Slot) -> Iterator[Violation]:
    rows = slots(slot.tid, slot.row.rows)
    found: dict[str, list[ContentItem]] = {}
    for child in item.children:
        best = _best(child, rows)
        if best is None or best.row.name is None:
            yield from _oddly_typed(child)
        if best is None:
            yield _extra(child, slot)
        elif not best.fits(child):
            yield _misplaced(child, best)
            found.setdefault(best.key, []).append(child)
        else:
            found.setdefault(best.key, []).append(child)
            yield from _item(child, best)
    yield from _multiplicity(item, rows, found)
    for condition in conditions(slot.row):
        fault = condition.fault(found)
        if fault is not None:
            yield Violation(f"TID{condition.row}.condition", place(item), fault, f"see TID {condition.row}")


def _best(child: ContentItem, rows: Sequence[Slot]) -> Slot | None:
    """The row that ``child`` fills or, where only its concept agrees, misses; else the open row that it fits."""
    named = [slot for slot in rows if by_name(slot, child)]
    fitting = [slot for slot in named if slot.fits(child)]
    exact = [slot for slot in named if isinstance(slot.row.name, Code)]
    anonymous = [slot for slot in rows if slot.row.name is None and slot.fits(child)]
    return next(iter((*fitting, *exact, *anonymous)), None)


def _multiplicity(
    item: ContentItem, rows: Sequence[Slot], found: Mapping[str, Sequence[ContentItem]]
) -> Iterator[Violation]:
    used = {option for slot in rows if found.get(slot.key) for option in slot.options}
    for slot in rows:
        count = len(found.get(slot.key, ()))
        if not count and slot.need == "M" and used.issuperset(slot.options):
            yield _violation(slot, item, "missing", f"{slot.label} is missing", f"add it with {slot.relation}")
        elif count > 1 and not slot.several:
            yield _violation(slot, item, "multiplicity", f"{slot.label} is there {count} times", "keep one")


def _extra(child: ContentItem, slot: Slot) -> Violation:
    """Allowed in an extensible template, and below the rows of one."""
    severity = Severity.NOTE if TEMPLATES[slot.tid].extensible else Severity.ERROR
    what = f"no row of TID {slot.tid} below row {slot.row.row} is for this {child.relation} {child.value_type}"
    return _violation(slot, child, "extra", what, "make sure that readers may ignore it", severity)


def _oddly_typed(child: ContentItem) -> Iterator[Violation]:
    """Where any concept is allowed, one that templates know as another kind of value."""
    usual = usual_types(child.name) if child.name is not None else frozenset()
    if usual and child.value_type not in usual:
        what = f"{child.value_type} with a concept that templates use for {' or '.join(sorted(usual))}"
        yield Violation("CODE.value-type", place(child), what, "take another concept", Severity.WARNING)


def _misplaced(child: ContentItem, slot: Slot) -> Violation:
    if child.relation != slot.relation:
        return _violation(
            slot, child, "relationship", f"its relationship is {child.relation or 'missing'}", _should(slot)
        )
    return _violation(slot, child, "value-type", f"its value type is {child.value_type or 'missing'}", _should(slot))


def _in_value_set(
    slot: Slot, item: ContentItem, values: Code | Cid, found: Code | None, of: str
) -> Iterator[Violation]:
    if found is None:
        if item.value_type != "NUM":  # a NUM without value has none, and says why
            yield _violation(slot, item, "value-set", f"it has no {of}", f"take one from {_named(values)}")
    elif not (values.holds(found) if isinstance(values, Cid) else same_code(found, values)):
        closed = isinstance(values, Code) or values.closed
        severity = Severity.ERROR if closed else Severity.NOTE
        what = f"its {of} ({found.value}, {found.scheme_designator}) is not in {_named(values)}"
        yield _violation(slot, item, "value-set", what, f"take one from {_named(values)}", severity)


def _named(values: Code | Cid) -> str:
    return str(values) if isinstance(values, Cid) else f"({values.value}, {values.scheme_designator})"


def _unit(item: ContentItem) -> Code | None:
    measured = item.ds.get("MeasuredValueSequence")
    return first_code(measured[0], "MeasurementUnitsCodeSequence") if measured else None


def _should(slot: Slot) -> str:
    return f"{slot.label} wants {slot.relation or 'a root'} {slot.row.types}"


def _violation(
    slot: Slot, item: ContentItem, kind: str, what: str, todo: str, severity: Severity = Severity.ERROR
) -> Violation:
    return Violation(f"TID{slot.key}.{kind}", place(item), what, todo, severity)
