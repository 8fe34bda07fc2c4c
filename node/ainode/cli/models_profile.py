"""``ainode models profile``: measure a faster way to run a package, and write it down there."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table


def profile_folder(
    package: Annotated[Path, typer.Argument(metavar="FOLDER", help="A package that is not installed yet.")],
    name: Annotated[
        Literal["exact", "fast", "int8"],
        typer.Argument(help="Bf16 (exact); bf16, not mirrored, windows further apart (fast); or quantised (int8)."),
    ],
    cases: Annotated[
        Path | None, typer.Option(help="A folder with a folder for each case: INPUT.nii.gz for each input.")
    ] = None,
) -> None:
    """Measure a profile against the network as trained; model.toml gets it with its Dice unless it is too far off."""
    from ainode_models.package import ModelPackage
    from ainode_models.profiling import add_profile
    from ainode_models.training.nifti_case import read_cases

    inputs = [each.name for each in ModelPackage.open(package).manifest.inputs]
    measured = add_profile(package, name, read_cases(cases, inputs) if cases else ())
    typer.echo(f"{name} against the network as trained, {measured.profile.cases} cases:")
    table = Table(box=None, pad_edge=False)
    for column in ("label", "Dice", "volume differs by"):
        table.add_column(column)
    for label, dice in measured.profile.dice.items():
        table.add_row(label, f"{dice:.4f}", f"{measured.volume_error[label]:.2%}")
    Console().print(table)
    typer.echo(f'rules name it so: model = "{ModelPackage.open(package).by(name).reference}"')
