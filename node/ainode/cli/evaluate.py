"""``ainode evaluate``: how good a model package is on labelled data."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ainode.cli.progress import progress_on


def evaluate(
    package: Annotated[Path, typer.Argument(help="Folder of the model package.")],
    data: Annotated[Path, typer.Argument(help="X-rays: a folder for each class; volumes: a folder for each case.")],
    out: Annotated[Path, typer.Option(help="Folder for tables (JSON) and pictures (PNG); empty or not there.")],
    classes: Annotated[Path | None, typer.Option(help="TOML: which folder holds which class; see docs.")] = None,
    patient_pattern: Annotated[
        str | None, typer.Option(help="Regular expression of the patient in file names.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling for the intervals.")] = 1,
    profile: Annotated[str, typer.Option(help="Way to run it, of those in model.toml.")] = "exact",
    device: Annotated[str, typer.Option(help="Where it computes: cpu, cuda or auto.")] = "auto",
) -> None:
    """Measure a model package on labelled data; docs/training.md says what is written."""
    from ainode_models.package import ModelPackage
    from ainode_models.training.class_folder import RADIOGRAPHY_DATABASE, read_class_folders
    from ainode_models.training.classification import LabelledData, evaluate_classifier
    from ainode_models.training.cxr_package import new_folder
    from ainode_models.training.segmentation import evaluate_segmentation

    opened, folder = ModelPackage.open(package).by(profile), new_folder(out)
    console = Console()
    with progress_on(console) as progress:
        if opened.manifest.classes:
            labelled = LabelledData(data, read_class_folders(classes or RADIOGRAPHY_DATABASE), patient_pattern)
            report = evaluate_classifier(opened, labelled, folder, device=device, seed=seed, progress=progress)
            said = f"accuracy {report.figures.accuracy} on {report.figures.images} images"
        else:
            labels = evaluate_segmentation(opened, data, folder, device=device, seed=seed, progress=progress)
            said = "; ".join(f"{name}: Dice {each.dice}" for name, each in labels.items())
    console.print(f"{said}; wrote {folder}")
