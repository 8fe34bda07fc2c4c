"""What the program prints and writes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ainode_conformance.checkers.allowance import Allowance
from ainode_conformance.defects.seeding import Seeded
from ainode_conformance.matrix import Cell, Column

_SHOWN = 12
"""Errors of a checker that are printed; all are in the file."""


def result_table(columns: Sequence[Column]) -> Table:
    """A row for each kind, a column for each checker, and the sum of errors below."""
    table = Table(title="objects checked, and errors", title_justify="left", pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for one in columns:
        table.add_column(one.checker, justify="right")
    for kind in kinds_of(columns):
        table.add_row(kind, *(Text(_cell(one.cells[kind])) for one in columns))
    table.add_section()
    table.add_row("errors", *(str(one.errors) for one in columns))
    return table


def kinds_of(columns: Sequence[Column]) -> list[str]:
    """Their names, in the order in which they were made."""
    return list(columns[0].cells) if columns else []


def _cell(cell: Cell) -> str:
    if cell.errors:
        return f"{len(cell.errors)} wrong"
    return f"{cell.objects} ok" if cell.objects else "-"


def print_errors(console: Console, columns: Sequence[Column]) -> None:
    """What was wrong, and what was allowed with its reason."""
    for one in columns:
        problems = [problem for cell in one.cells.values() for problem in cell.errors]
        for problem in problems[:_SHOWN]:
            console.print(Text(f"{one.checker}: {problem.kind}, {problem.subject}: {problem.text[:300]}"))
        if len(problems) > _SHOWN:
            console.print(Text(f"{one.checker}: and {len(problems) - _SHOWN} more, in conformance.json"))
    table = Table(title="allowed", title_justify="left", pad_edge=False)
    for heading in ("checker", "times", "reason", "clause"):
        table.add_column(heading)
    for (checker, reason, clause), times in allowed(columns).items():
        table.add_row(checker, str(times), reason, clause)
    console.print(table)


def allowed(columns: Sequence[Column]) -> Counter[tuple[str, str, str]]:
    """How often each reason was needed: checker, reason, clause."""
    return Counter(
        {
            key: sum(times for other, times in column.allowed.items() if _key(other) == key)
            for column in columns
            for key in dict.fromkeys(map(_key, column.allowed))
        }
    )


def _key(one: Allowance) -> tuple[str, str, str]:
    return (one.checker, one.reason, one.clause)


def defect_table(found: Sequence[Seeded]) -> Table:
    """A row for each defect, with those who found it."""
    missed = sum(not one.found_by for one in found)
    table = Table(title=f"{len(found)} seeded defects, {missed} not found", title_justify="left", pad_edge=False)
    table.add_column("defect", no_wrap=True)
    table.add_column("found by")
    for one in found:
        table.add_row(Text(one.defect.rule), ", ".join(one.found_by) or "NOBODY")
    return table


def as_json(
    columns: Sequence[Column], missing: Mapping[str, str], found: Sequence[Seeded], *, at: datetime
) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "at": at.isoformat(timespec="seconds"),
        "versions": {one.checker: one.version for one in columns},
        "seconds": {one.checker: round(one.seconds, 1) for one in columns},
        "missing": dict(missing),
        "rows": [
            {
                "kind": kind,
                "checker": one.checker,
                "objects": cell.objects,
                "errors": [f"{problem.subject}: {problem.text}" for problem in cell.errors],
                "allowed": cell.allowed,
            }
            for one in columns
            for kind, cell in one.cells.items()
        ],
        "errors": sum(one.errors for one in columns),
        "allowed": [
            {"checker": checker, "reason": reason, "clause": clause, "times": times}
            for (checker, reason, clause), times in allowed(columns).items()
        ],
        "defects": {one.defect.rule: list(one.found_by) for one in found},
        "not_found": sum(not one.found_by for one in found),
    }
