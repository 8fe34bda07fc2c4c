"""``ainode config``: the settings that are in force."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ainode.settings import LoadedSettings, load_settings_with_origins
from ainode.settings.reference import settings_reference
from ainode.settings.toml_text import settings_toml

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="AINODE_SETTINGS",
        metavar="FILE",
        help="Settings file; without it ainode.toml of the current folder, else defaults.",
    ),
]
"""The option that every command takes to find its settings."""

app = typer.Typer(no_args_is_help=True, help="Show the settings that are in force.")


def open_settings(file: Path | None) -> LoadedSettings:
    """Settings for a command: the file of its option, and this process's environment."""
    return load_settings_with_origins(file, os.environ)


@app.command()
def show(settings: SettingsFile = None) -> None:
    """Print every setting as TOML, with where it came from; secrets show as ***."""
    typer.echo(settings_toml(open_settings(settings)), nl=False)


@app.command()
def reference() -> None:
    """Print the reference of all settings, in Markdown."""
    typer.echo(settings_reference(), nl=False)
