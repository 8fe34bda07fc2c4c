"""The program: ``python -m ainode_conformance`` makes one result of every kind and runs every checker on it."""

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from ainode_conformance.checkers.checker import Checker
from ainode_conformance.checkers.table import checkers
from ainode_conformance.defects.seeding import Seeded, seeded
from ainode_conformance.defects.table import DEFECTS
from ainode_conformance.kinds.kind import Made, make_all
from ainode_conformance.kinds.table import KINDS
from ainode_conformance.matrix import Column, column
from ainode_conformance.presentation import as_json, defect_table, print_errors, result_table

BUILD = Path(__file__).resolve().parents[2] / "build"
command_line = typer.Typer(add_completion=False)


@command_line.command()
def main(
    defects: Annotated[bool, typer.Option("--defects", help="Also seed defects, and say who finds each.")] = False,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="A missing checker is no failure.")] = False,
    only: Annotated[str, typer.Option(help="Only checkers whose name contains this.")] = "",
    kind: Annotated[str, typer.Option(help="Only kinds whose name contains this.")] = "",
    result: Annotated[Path, typer.Option(help="File for programs.")] = BUILD / "conformance.json",
    keep: Annotated[Path | None, typer.Option(help="New folder to leave the objects in.")] = None,
) -> None:
    """Hold one result of every kind against every checker; 1 if anything is wrong, unless it is allowed."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    chosen = [one for one in checkers(BUILD) if only in one.name]
    missing = {one.name: reason for one in chosen if (reason := one.missing())}
    present = [one for one in chosen if one.name not in missing]
    kinds = [one for one in KINDS if kind in one.name]
    with TemporaryDirectory() as folder:
        made = make_all(kinds, Path(folder) / "kinds")
        columns = [_column(console, checker, made) for checker in present]
        names = {each.name for each in made}
        wanted = [one for one in DEFECTS if defects and one.kind in names]
        found = seeded(wanted, made, present, Path(folder) / "defects")
        if keep:
            shutil.copytree(folder, keep)
    _report(console, columns, missing, found)
    result.parent.mkdir(exist_ok=True)
    told = as_json(columns, missing, found, at=datetime.now(UTC))
    result.write_text(json.dumps(told, indent=1), encoding="utf-8")
    wrong = any(done.errors for done in columns) or (missing and not allow_missing)
    raise typer.Exit(int(bool(wrong or any(not one.found_by for one in found))))


def _column(console: Console, checker: Checker, made: list[Made]) -> Column:
    done = column(checker, made)
    console.print(f"{done.checker} {done.version}: {done.errors} errors, {done.seconds:.0f} s")
    return done


def _report(console: Console, columns: list[Column], missing: dict[str, str], found: list[Seeded]) -> None:
    console.print(result_table(columns))
    print_errors(console, columns)
    for name, reason in missing.items():
        console.print(f"missing: {name}: {reason}")
    if found:
        console.print(defect_table(found))


if __name__ == "__main__":
    command_line()
