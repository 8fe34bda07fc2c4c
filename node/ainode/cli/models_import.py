"""``ainode models import``: a trained network without a package, made into one."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ainode.cli.journal import SettingsOption
from ainode.cli.models_report import say_report
from ainode.settings import load_settings
from ainode_models.check_process import check_apart
from ainode_models.errors import PackageError
from ainode_models.installation import Installer
from ainode_models.monai.bundle import MonaiBundle, unpacked
from ainode_models.nnunet.result import NnunetResult
from ainode_models.package_draft import read_about, template_text, with_label_codes
from ainode_models.registry import Registry


def import_folder(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Result folder of nnU-Net v2, or MONAI bundle (folder or zip).")
    ],
    name: Annotated[
        str, typer.Option("--as", metavar="NAME@VERSION", help="Name and version of the package, such as head@1.0.0.")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(help="Codes of a label: VALUE=CATEGORY,TYPE,ANATOMY, each SCHEME:CODE or SCHEME:CODE:MEANING."),
    ] = None,
    modality: Annotated[str | None, typer.Option(help="Modality of the inputs, such as MR.")] = None,
    about: Annotated[Path | None, typer.Option(metavar="FILE", help="A template that was filled in.")] = None,
    template: Annotated[Path | None, typer.Option(metavar="FILE", help="Only write a file to fill in.")] = None,
    checkpoint: Annotated[
        str, typer.Option(help="File of the weights: checkpoint_final.pth of each fold, or model.pt of a bundle.")
    ] = "",
    settings: SettingsOption = None,
) -> None:
    """Make a package of a trained nnU-Net or a MONAI bundle, check it, and copy it into the models folder."""
    with unpacked(folder) as found:
        trained = _trained(found, checkpoint)
        facts = _facts(trained.draft(), about, name, modality)
        for entry in label or ():
            value, _, codes = entry.partition("=")
            facts = with_label_codes(facts, value, codes)
        if template:
            _write_template(template, facts)
            return
        loaded = load_settings(settings, os.environ)
        installer = Installer(
            Registry(loaded.models.folder),
            lambda made: say_report(folder.name, check_apart(made, loaded.models.device)),
        )
        installed = installer.build(lambda made: trained.write(facts, made), folder)
    typer.echo(f"{installed.package.reference} {'added' if installed.is_new else 'was there already'}")


def _trained(folder: Path, checkpoint: str) -> MonaiBundle | NnunetResult:
    given = [checkpoint] if checkpoint else []
    return MonaiBundle(folder, *given) if MonaiBundle.is_there(folder) else NnunetResult(folder, *given)


def _facts(draft: dict[str, Any], about: Path | None, reference: str, modality: str | None) -> dict[str, Any]:
    """What the folder says, overruled by the file, and that by the options."""
    facts = {**draft, **(read_about(about) if about else {})}
    name, _, version = reference.partition("@")
    facts |= {key: value for key, value in (("name", name), ("version", version)) if value}
    facts["title"] = facts["title"] or facts["name"]
    if modality:
        facts["input"] = [{**entry, "modality": entry["modality"] or modality} for entry in facts["input"]]
    return facts


def _write_template(file: Path, facts: dict[str, Any]) -> None:
    if file.exists():
        raise PackageError(f"{file}: is there already; name another file, or remove it")
    file.write_text(template_text(facts), encoding="utf-8")
    typer.echo(f"fill in {file}, then give it with --about")
