"""``ainode keys``: who may use the REST interface."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ainode.api.keys import ApiKeys
from ainode.cli.journal import SettingsOption
from ainode.places import Places
from ainode.settings import load_settings

app = typer.Typer(help="Keys of the REST interface: who may use it.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Who or what the key is for: letters, digits, -, _ and .")]


@app.command()
def add(name: NameArgument, settings: SettingsOption = None) -> None:
    """Make a key and print it, once: the node keeps only a hash of it."""
    key = _keys(settings).add(name, datetime.now(UTC))
    typer.echo(key)
    typer.echo("Keep it safe: it is not shown again. From now on every request needs a key.", err=True)


@app.command("list")
def show(settings: SettingsOption = None) -> None:
    """List the names of the keys, and since when they are."""
    for key in _keys(settings).all():
        typer.echo(f"{key.created_at or 'damaged'}  {key.name}")


@app.command()
def revoke(name: NameArgument, settings: SettingsOption = None) -> None:
    """Let a key count no more, from the next request on."""
    _keys(settings).revoke(name)
    typer.echo(f"key {name} is revoked")


def _keys(settings: Path | None) -> ApiKeys:
    return ApiKeys(Places.of(load_settings(settings, os.environ)).api_keys)
