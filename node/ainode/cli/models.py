"""``ainode models``: which model packages there are, and whether they are sound."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ainode.cli.journal import SettingsOption
from ainode.settings import load_settings
from ainode_models.errors import AinodeError, ConfigError
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry
from ainode_models.runtime import runtime_for

app = typer.Typer(help="Which model packages there are, and whether they are sound.", no_args_is_help=True)


@app.command("list")
def show(settings: SettingsOption = None) -> None:
    """List the model packages of the models folder, and those that cannot be read."""
    registry = Registry(load_settings(settings, os.environ).models.folder)
    good, bad = registry.survey()
    table = Table(title=f"models in {registry.folder}", title_justify="left", box=None, pad_edge=False)
    for column in ("model", "version", "runtime", "inputs", "intended use"):
        table.add_column(column, overflow="fold")
    for package in good:
        manifest = package.manifest
        inputs = ", ".join(item.name for item in manifest.inputs)
        table.add_row(manifest.name, manifest.version, manifest.runtime, inputs, manifest.intended_use)
    Console().print(table)
    for error in bad:
        typer.secho(f"cannot be read: {error}", err=True, fg="red")


@app.command()
def check(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Package folders; default: all in the models folder.")
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Read the manifest of each package, compare its checksums, and load its weights."""
    faults = 0
    for folder in folders or _installed(load_settings(settings, os.environ).models.folder):
        try:
            package = _check(folder)
        except AinodeError as error:
            faults += 1
            typer.secho(f"{folder.name}: {error}", err=True, fg="red")
        else:
            typer.echo(f"{folder.name}: {package.manifest.name}@{package.manifest.version} is sound")
    if faults:
        raise typer.Exit(2)


def _installed(models: Path) -> list[Path]:
    found = sorted(models.glob("*/"))
    if not found:
        raise ConfigError(f"{models} holds no model package; set [models] folder, or name the folders to check")
    return found


def _check(folder: Path) -> ModelPackage:
    package = ModelPackage.open(folder)
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    runtime.unload()
    return package
