"""``ainode doctor``: is everything there that the node needs?"""

import json
import os
import time
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ainode.cli.journal import SettingsOption
from ainode.doctor.finding import Finding, Result, failed, ok
from ainode.settings import load_settings
from ainode_models.errors import SettingsError

_STYLE = {Result.OK: "green", Result.WARNING: "yellow", Result.FAILED: "bold red"}

_NARROWEST = 120
"""Columns; addresses and paths should not be broken."""


def doctor(
    settings: SettingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects instead of a table.")] = False,
) -> None:
    """Check ports, certificates, disk, databases, models, rules and every peer; exit code 1 if a check failed.

    Peers are asked, never written to, and no patient data are sent. It may be used beside a running node.
    """
    findings = list(_examined(settings))
    if as_json:
        typer.echo(json.dumps([vars(each) | {"result": each.result.value} for each in findings], indent=2))
    else:
        _print(findings)
    if any(each.result is Result.FAILED for each in findings):
        raise typer.Exit(1)


def _examined(settings: SettingsOption) -> Iterator[Finding]:
    from ainode.doctor.examination import examine  # the other commands need not wait for pynetdicom

    try:
        loaded = load_settings(settings, os.environ)
    except SettingsError as error:
        yield failed("settings", str(error), "mend it; docs/settings.md lists what there is")
        return
    yield ok("settings", str(settings or "ainode.toml, if there, and the environment"))
    yield from examine(loaded, time.time)


def _print(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("check", "result", "found, and what to do"):
        table.add_column(column, overflow="fold")
    for each in findings:
        said = f"{each.found}\n-> {each.advice}" if each.advice else each.found
        table.add_row(Text(each.check), Text(each.result.value, _STYLE[each.result]), Text(said))
    console = Console()
    console.width = max(console.width, _NARROWEST)
    console.print(table)
    bad = sum(each.result is not Result.OK for each in findings)
    typer.echo(f"{len(findings)} checks, {bad} to look at" if bad else f"{len(findings)} checks, all well")
