"""``ainode config``: the settings that are in force."""

import json
import os

import typer

from ainode.cli.journal import SettingsOption
from ainode.settings import load_settings, load_settings_with_origins
from ainode.settings.reference import settings_reference
from ainode.settings.toml_text import settings_toml

app = typer.Typer(no_args_is_help=True, help="Show the settings that are in force.")


@app.command()
def show(settings: SettingsOption = None) -> None:
    """Print every setting as TOML, with where it came from; secrets show as ***."""
    typer.echo(settings_toml(load_settings_with_origins(settings, os.environ)), nl=False)


@app.command()
def jwks(settings: SettingsOption = None) -> None:
    """Print the public keys of the destinations with oauth_key, as a JWK Set to register with their EHRs."""
    from ainode import peers  # the other commands need not wait for FHIR and pynetdicom

    found = load_settings(settings, os.environ).destination
    keys = {key.key_id: key.public() for item in found if (key := peers.signing_key(item))}
    typer.echo(json.dumps({"keys": list(keys.values())}, indent=2))


@app.command()
def reference() -> None:
    """Print the reference of all settings, in Markdown."""
    typer.echo(settings_reference(), nl=False)
