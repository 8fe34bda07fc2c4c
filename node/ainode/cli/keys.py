"""``ainode keys``: who may use REST and FHIR."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ainode.api.keys import ApiKey, ApiKeys
from ainode.cli.journal import SettingsOption
from ainode.places import Places
from ainode.settings import load_settings
from ainode_fhir.smart.patients import checked_patients
from ainode_fhir.smart.scope import checked_scopes
from ainode_models.errors import ConfigError

app = typer.Typer(help="Keys of REST and FHIR: who may use them.", no_args_is_help=True)
FhirOption = Annotated[
    str,
    typer.Option(
        help='Make it a key for FHIR, not REST, with these scopes, for example "system/*.rs".', metavar="SCOPES"
    ),
]
PatientOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Limit a key for FHIR to this patient, by an identifier as FHIR has it; may be there several times.",
        metavar="SYSTEM|VALUE",
    ),
]
ReviewerOption = Annotated[
    str,
    typer.Option(
        help="Human who may review results with it; SYSTEM|* for a program that speaks for all of them.",
        metavar="SYSTEM|VALUE",
    ),
]
NameArgument = Annotated[str, typer.Argument(help="Who or what the key is for: letters, digits, -, _ and .")]


@app.command()
def add(
    name: NameArgument,
    fhir: FhirOption = "",
    patient: PatientOption = None,
    reviewer: ReviewerOption = "",
    reviewer_name: Annotated[str, typer.Option(help="Name of that human, for readers.")] = "",
    settings: SettingsOption = None,
) -> None:
    """Make a key and print it, once: the node keeps only a hash of it."""
    scopes = str(checked_scopes(fhir)) if fhir else ""
    if patient and not scopes:
        raise ConfigError("--patient belongs to a key for FHIR: give --fhir, too")
    patients = checked_patients(patient) if patient else None
    key = _keys(settings).add(name, datetime.now(UTC), scopes, patients, reviewer=reviewer, reviewer_name=reviewer_name)
    typer.echo(key)
    typer.echo("Keep it safe: it is not shown again. From now on every request to REST and FHIR needs a key.", err=True)


@app.command("list")
def show(settings: SettingsOption = None) -> None:
    """List the names of the keys, and since when they are."""
    for key in _keys(settings).all():
        typer.echo(f"{key.created_at or 'damaged'}  {key.name}  {key.fhir or 'REST'}{_limit(key)}{_reviews(key)}")


@app.command()
def revoke(name: NameArgument, settings: SettingsOption = None) -> None:
    """Let a key count no more, from the next request on."""
    _keys(settings).revoke(name)
    typer.echo(f"key {name} is revoked")


def _limit(key: ApiKey) -> str:
    """How many patients a key is limited to; not who they are."""
    return "" if key.patients is None else f"  {len(key.patients)} patients"


def _reviews(key: ApiKey) -> str:
    return f", reviews as {key.reviewer}" if key.reviewer else ""


def _keys(settings: Path | None) -> ApiKeys:
    return ApiKeys(Places.of(load_settings(settings, os.environ)).api_keys)
