"""``ainode runs``: what ran, what waits and why, and what could not be used."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

import typer

from ainode.cli.journal import Journal, SettingsOption, journal, local_time
from ainode.cli.review import review, reviewed
from ainode.journal.runs import RunRow
from ainode.settings import load_settings
from ainode_models.errors import ConfigError

app = typer.Typer(
    help="What ran, what waits and why, and what could not be used: without a command, lists it.",
    invoke_without_command=True,
)


@app.callback()
def show(
    context: typer.Context,
    settings: SettingsOption = None,
    limit: Annotated[int, typer.Option(help="How many runs to list, newest first.")] = 20,
) -> None:
    """List runs, newest first, then waiting studies and refused instances, each with its reason."""
    if context.invoked_subcommand:
        return
    with journal(load_settings(settings, os.environ)) as book:
        _section("runs", ((*_run(row), *reviewed(book, row)) for row in book.runs.all(limit)))
        _section("studies without a run", _waiting(book))
        _section("instances that cannot be used (kept in the spool)", _refused(book))
        _section("instances that differ under one SOP Instance UID", _conflicting(book))


@app.command()
def retry(
    run_id: Annotated[str, typer.Argument(help="Id of a failed run, or its first letters.")],
    settings: SettingsOption = None,
) -> None:
    """Run a failed run again, for instance after its model package was mended."""
    with journal(load_settings(settings, os.environ)) as book:
        row = _failed_run(book, run_id)
        again = replace(row.spec, retry=row.spec.retry + 1)
        if row.superseded_by not in (None, again.run_id):
            raise ConfigError(f"run {row.run_id} was replaced by {row.superseded_by}, on more images")
        if not book.runs.create(again):
            raise ConfigError(f"run {row.run_id} was retried already, see run {again.run_id}")
        typer.echo(f"queued run {again.run_id}")


@app.command()
def reconsider(
    study_uid: Annotated[str, typer.Argument(help="Study Instance UID.")],
    settings: SettingsOption = None,
) -> None:
    """Ask the rules again about a study, for instance after they were changed."""
    with journal(load_settings(settings, os.environ)) as book:
        if not book.studies.reopen(study_uid):
            raise ConfigError(f"the node holds no study {study_uid}; ainode runs lists those that wait")
        typer.echo(f"study {study_uid} is looked at again")


app.command()(review)


def _failed_run(book: Journal, prefix: str) -> RunRow:
    found = [row for row in book.runs.all(10_000) if row.run_id.startswith(prefix) and row.state == "failed"]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} failed runs begin with {prefix!r}; ainode runs lists them")
    return found[0]


def _section(title: str, entries: Iterable[tuple[str, ...]]) -> None:
    """Heading and one block for each entry: identifiers are long, and are there to be copied."""
    listed = list(entries)
    typer.secho(f"{title}: {len(listed)}", bold=True)
    for head, *lines in listed:
        typer.echo(f"  {head}")
        for line in lines:
            typer.echo(f"    {line}")


def _run(row: RunRow) -> tuple[str, ...]:
    state = row.state if row.outcome in (None, row.state) else f"{row.state}, {row.outcome}"
    number = f", run {row.number} of the study" if row.number > 1 else ""
    replaced = f", replaced by {row.superseded_by}" if row.superseded_by else ""
    return (
        f"{local_time(row.created_at)}  {row.model}@{row.model_version}  {state}{number}{replaced}",
        f"run {row.run_id}",
        f"study {row.study_uid}",
        *([f"reason: {row.reason}"] if row.reason else []),
    )


def _waiting(book: Journal) -> Iterator[tuple[str, ...]]:
    for study in book.studies.open():
        yield f"{local_time(study.changed_at)}  {study.state}: {study.reason}", f"study {study.study_uid}"
    for archive, study_uid, reason in book.studies.fetch_problems():
        yield f"not fetched from {archive}: {reason}", f"study {study_uid}"


def _refused(book: Journal) -> Iterator[tuple[str, ...]]:
    for item in book.instances.refusals():
        yield f"{local_time(item.received_at)}  {item.reason}", f"instance {item.sop_instance_uid}", item.source


def _conflicting(book: Journal) -> Iterator[tuple[str, ...]]:
    for item in book.instances.conflicts():
        yield f"{local_time(item.received_at)}  {item.source}", f"instance {item.sop_instance_uid}", f"file {item.path}"
