"""``ainode models``: which model packages there are, whether they are sound, and which versions are used."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ainode.cli.journal import SettingsOption
from ainode.cli.models_import import import_folder
from ainode.cli.models_profile import profile_folder
from ainode.cli.models_report import say_report
from ainode.route.site import survey_rules
from ainode.settings import Settings, load_settings
from ainode_models.check_process import check_apart
from ainode_models.errors import AinodeError, ConfigError
from ainode_models.installation import Installer
from ainode_models.inventory import Inventory
from ainode_models.package import ModelPackage
from ainode_models.registry import Registry

app = typer.Typer(
    help="Which model packages there are, whether they are sound, and which versions are used.", no_args_is_help=True
)
app.command("import")(import_folder)
app.command("profile")(profile_folder)

_Reference = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Name and version of an installed package.")]


@app.command("list")
def show(settings: SettingsOption = None) -> None:
    """List the model packages of the models folder, and those that cannot be read."""
    registry = Registry(load_settings(settings, os.environ).models.folder)
    inventory = registry.inventory()
    table = Table(title=f"models in {registry.folder}", title_justify="left", box=None, pad_edge=False)
    for column in ("model", "version", "state", "task", "profiles", "inputs", "size", "intended use"):
        table.add_column(column, overflow="fold")
    for package in inventory.good:
        table.add_row(*_row(inventory, package))
    Console().print(table)
    for error in inventory.bad:
        typer.secho(f"cannot be read: {error}", err=True, fg="red")


def _row(inventory: Inventory, package: ModelPackage) -> tuple[str, ...]:
    manifest = package.manifest
    size = sum(path.stat().st_size for path in package.folder.rglob("*") if path.is_file())
    return (
        manifest.name,
        manifest.version,
        inventory.state_of(package),
        f"{'classify' if manifest.classes else 'segment'} ({manifest.runtime})",
        ", ".join(manifest.profiles),
        ", ".join(item.name for item in manifest.inputs),
        f"{size / 1e6:.1f} MB",
        manifest.intended_use,
    )


@app.command()
def check(
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REFERENCE|FOLDER]...", help="Packages by name or folder; default: all installed."),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Check each package as a whole: codes, checksums, weights, and its own sample against the stored answer."""
    loaded = load_settings(settings, os.environ)
    faults = 0
    for folder in _folders(packages, loaded.models.folder):
        try:
            say_report(folder.name, check_apart(folder, loaded.models.device))
        except AinodeError as error:
            faults += 1
            typer.secho(f"{folder.name}: {error}", err=True, fg="red")
    if faults:
        raise typer.Exit(2)


@app.command()
def add(
    package: Annotated[Path, typer.Argument(metavar="FOLDER|ZIP", help="Folder or zip of a package.")],
    activate: Annotated[bool, typer.Option("--activate", help="Activate the version, too.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Check a package, and copy it into the models folder; rules stay with the version that they follow."""
    loaded = load_settings(settings, os.environ)
    registry = Registry(loaded.models.folder)
    installer = Installer(registry, lambda folder: say_report(package.name, check_apart(folder, loaded.models.device)))
    installed = installer.add(package)
    typer.echo(f"{installed.package.reference} {'added' if installed.is_new else 'was there already'}")
    if activate:
        _activate(registry, installed.package.reference, loaded)
    else:
        _say_followed(registry, installed.package)


@app.command()
def activate(reference: _Reference, settings: SettingsOption = None) -> None:
    """Let rules that name no version follow this one from the next study on; no restart."""
    loaded = load_settings(settings, os.environ)
    _activate(Registry(loaded.models.folder), reference, loaded)


@app.command()
def retire(reference: _Reference, settings: SettingsOption = None) -> None:
    """Let a version make no new runs; runs that are queued for it still end."""
    Registry(load_settings(settings, os.environ).models.folder).retire(reference)
    typer.echo(f"{reference} is retired")


def _activate(registry: Registry, reference: str, settings: Settings) -> None:
    registry.activate(reference)
    typer.echo(f"{reference} is active")
    if not settings.rules.file.is_file():
        return
    try:
        held_up = survey_rules(settings, registry).held_up
    except AinodeError as error:
        typer.secho(f"the rules do not fit the models now: {error}", err=True, fg="yellow")
    else:
        for name, reason in held_up.items():
            typer.secho(f"rule {name!r} is held up: {reason}", err=True, fg="yellow")


def _say_followed(registry: Registry, package: ModelPackage) -> None:
    name = package.manifest.name
    followed = registry.current(name).reference
    typer.echo(f"rules for {name!r} without a version follow {followed}")
    if followed != package.reference:
        typer.echo(f"to change that: ainode models activate {package.reference}")


def _folders(packages: list[str] | None, models: Path) -> list[Path]:
    if packages:
        return [_folder(word, models) for word in packages]
    found = sorted(path for path in models.glob("*/") if not path.name.startswith("."))
    if not found:
        raise ConfigError(f"{models} holds no model package; set [models] folder, or name the folders to check")
    return found


def _folder(word: str, models: Path) -> Path:
    return Path(word) if Path(word).is_dir() else Registry(models).get(word).folder
