"""``ainode runs``: what ran, what waits and why, and what could not be used."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ainode.cli.journal import Journal, SettingsOption, journal, local_time
from ainode.journal.runs import RunRow
from ainode.settings import load_settings
from ainode_models.errors import ConfigError

app = typer.Typer(help="What ran, what waits and why, and what could not be used.", invoke_without_command=True)


@app.callback()
def show(
    context: typer.Context,
    settings: SettingsOption = None,
    limit: Annotated[int, typer.Option(help="How many runs to list, newest first.")] = 20,
) -> None:
    """List runs, newest first, then waiting studies and refused instances, each with its reason."""
    if context.invoked_subcommand:
        return
    console = Console(soft_wrap=True)
    with journal(load_settings(settings, os.environ)) as book:
        console.print(_runs(book.runs.all(limit)))
        for title, rows in (("waiting studies", _waiting(book)), ("refused instances", _refused(book))):
            if rows:
                console.print(_table(title, ("what", "since", "state", "reason"), rows))


@app.command()
def retry(
    run_id: Annotated[str, typer.Argument(help="Id of a failed run, or its first letters.")],
    settings: SettingsOption = None,
) -> None:
    """Run a failed run again, for instance after its model package was mended."""
    with journal(load_settings(settings, os.environ)) as book:
        row = _failed_run(book, run_id)
        again = replace(row.spec, retry=row.spec.retry + 1)
        if not book.runs.create(again):
            raise ConfigError(f"run {row.run_id} was retried already, see run {again.run_id}")
        typer.echo(f"queued run {again.run_id}")


def _failed_run(book: Journal, prefix: str) -> RunRow:
    found = [row for row in book.runs.all(10_000) if row.run_id.startswith(prefix) and row.state == "failed"]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} failed runs begin with {prefix!r}; ainode runs lists them")
    return found[0]


def _runs(rows: list[RunRow]) -> Table:
    cells = [
        (
            row.run_id,
            row.study_uid,
            f"{row.model}@{row.model_version}",
            _state(row),
            local_time(row.created_at),
            row.reason or "",
        )
        for row in rows
    ]
    return _table("runs", ("run", "study", "model", "state", "queued", "reason"), cells)


def _state(row: RunRow) -> str:
    state = row.state if row.outcome in (None, row.state) else f"{row.state}: {row.outcome}"
    number = f" (run {row.number})" if row.number > 1 else ""
    return state + number + (" superseded" if row.superseded_by else "")


def _waiting(book: Journal) -> Sequence[tuple[str, ...]]:
    studies = [(row.study_uid, local_time(row.changed_at), row.state, row.reason) for row in book.studies.open()]
    fetches = [
        (study_uid, "", "fetching", f"{archive}: {reason}")
        for archive, study_uid, reason in book.studies.fetch_problems()
    ]
    return studies + fetches


def _refused(book: Journal) -> Sequence[tuple[str, ...]]:
    return [
        (row.sop_instance_uid, local_time(row.received_at), row.state, row.reason or "")
        for row in book.instances.refusals()
    ]


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
