"""The program: ``python -m ainode_conformance.tid FILE...``, one line for each violation."""

from pathlib import Path
from typing import Annotated

import typer
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ainode_conformance.check import is_report, is_segmentation, report_violations, segmentation_violations
from ainode_conformance.violation import Severity, Violation
from ainode_models.errors import InstanceError, RuntimeUnavailable

command_line = typer.Typer(add_completion=False)


@command_line.command()
def main(
    files: Annotated[
        list[Path], typer.Argument(help="SR and SEG files; those of one run are held against each other.")
    ],
    notes: Annotated[bool, typer.Option("--notes", help="Also print what is allowed, as an extension.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
) -> None:
    """Check reports against TID 1500, UCUM and IHE AIR, and segmentations against IHE AIR; 1 if something is wrong."""
    try:
        lines, worst = _checked_files(files, notes=notes)
    except (InstanceError, RuntimeUnavailable) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from exc
    for line in lines:
        typer.echo(line)
    raise typer.Exit(int(Severity.ERROR in worst or (strict and Severity.WARNING in worst)))


def _checked_files(files: list[Path], *, notes: bool) -> tuple[list[str], set[Severity]]:
    """What to print, and which weights were found."""
    objects = [(file, _read(file)) for file in files]
    segmentations = [ds for _, ds in objects if is_segmentation(ds)]
    lines: list[str] = []
    worst: set[Severity] = set()
    for file, ds in objects:
        found = _checked(ds, segmentations)
        if found is None:
            lines.append(f"{file}: not checked, neither report nor segmentation")
            continue
        worst.update(violation.severity for violation in found)
        told = (violation for violation in found if notes or violation.severity is not Severity.NOTE)
        lines.extend(f"{file}: {violation.line()}" for violation in told)
    return lines, worst


def _checked(ds: Dataset, segmentations: list[Dataset]) -> list[Violation] | None:
    if is_segmentation(ds):
        return segmentation_violations(ds)
    return report_violations(ds, segmentations) if is_report(ds) else None


def _read(file: Path) -> Dataset:
    try:
        return dcmread(file, stop_before_pixels=True)
    except (InvalidDicomError, OSError) as exc:
        raise InstanceError(f"{file} cannot be read as DICOM: give the path of a DICOM file") from exc


def run() -> None:
    """Run as a program."""
    command_line()


if __name__ == "__main__":
    run()
