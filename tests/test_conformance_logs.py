"""docs/logs.md knows every line that the node writes: event, level and fields; and no other."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from peers.shared_data import ROOT

PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
AREAS = ("node", "orthanc", "dicom_sr", "fhir")
"""Not models/: that runs in the model's process, which has no log of its own."""


@dataclass(frozen=True)
class Line:
    """One call that writes a line."""

    event: str
    level: str
    fields: frozenset[str]
    more: bool
    """Whether fields come from a dict, too."""


def calls() -> Iterator[ast.Call]:
    """Every call of a method of a module's logger; loggers are called log, _log or logger."""
    for area in AREAS:
        for path in sorted((ROOT / area).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_logger(node.func.value):
                    yield node


def is_logger(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("log", "_log", "logger")


def lines() -> list[Line]:
    return [line for call in calls() for line in lines_of(call)]


def lines_of(call: ast.Call) -> Iterator[Line]:
    assert isinstance(call.func, ast.Attribute)
    names = [keyword.arg for keyword in call.keywords]
    fields = frozenset(name for name in names if name and name != "exc_info")
    for event in events(call.args[0]):
        yield Line(event, LEVELS[call.func.attr], fields, None in names)


def events(first: ast.expr) -> list[str]:
    """The event of a line, or both of a conditional one; anything else could not be documented."""
    if isinstance(first, ast.IfExp):
        return [*events(first.body), *events(first.orelse)]
    assert isinstance(first, ast.Constant), ast.unparse(first)
    return [str(first.value).partition("\n")[0]]


def rows(columns: str) -> list[list[str]]:
    """Rows of the table with this heading, cells without backquotes."""
    (body,) = re.findall(rf"^{re.escape(columns)}\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.replace("`", "").splitlines()]


def test_every_event_is_documented_with_its_level_and_fields() -> None:
    written = [line for line in lines() if "%s" not in line.event]
    documented = {row[0]: row for row in rows("| event | level | fields | written when |")}
    assert set(documented) == {line.event for line in written}
    for event, (_, levels, cell, _) in documented.items():
        fields = {name.rstrip("+"): name.endswith("+") for name in cell.split(", ") if name}
        same = [line for line in written if line.event == event]
        assert set(levels.split(", ")) == {line.level for line in same}, event
        assert set(fields) >= {name for line in same for name in line.fields}, event
        if not any(line.more for line in same):
            always = frozenset.intersection(*(line.fields for line in same))
            assert {name for name, optional in fields.items() if not optional} == always, event
            assert set(fields) == {name for line in same for name in line.fields}, event


def test_lines_of_pythons_own_logging_are_documented() -> None:
    written = {(line.event, line.level) for line in lines() if "%s" in line.event}
    assert written == {(row[0], row[1]) for row in rows("| event | level | written when |")}
