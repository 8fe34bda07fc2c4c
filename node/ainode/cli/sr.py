"""``ainode sr``: what the reader understands of results that anybody made."""

from pathlib import Path
from typing import Annotated

import typer

from ainode_models.errors import InputError


def sr(
    files: Annotated[list[Path], typer.Argument(help="DICOM files: reports, segmentations, images.", dir_okay=False)],
) -> None:
    """Say what was understood of structured reports and other results, and what was not; docs/sr-reader.md says how."""
    from ainode_dicom_sr.reader import read_file
    from ainode_dicom_sr.reader_table import COLUMNS, notes, row

    failed = False
    for file in files:
        typer.secho(str(file), bold=True)
        try:
            reading = read_file(file)
        except (InputError, OSError) as error:
            failed = True
            typer.secho(f"  {error}", err=True, fg="red")
            continue
        for name, cell in zip(COLUMNS, row(reading), strict=True):
            if cell:
                typer.echo(f"  {name + ':':<19}{cell}")
        for note in notes(reading):
            typer.echo(f"    {note}")
    if failed:
        raise typer.Exit(2)
