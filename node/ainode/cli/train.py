"""``ainode train``: a model package from data of one's own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ainode.cli.progress import progress_on

app = typer.Typer(help="Train a model on data of your own.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Train a model on data of your own; docs/training.md says how."""


@app.command()
def cxr(  # noqa: PLR0913, PLR0917 - an option each
    data: Annotated[Path, typer.Argument(help="A folder for each class, with images/ and masks/, or images in it.")],
    out: Annotated[Path, typer.Option(help="Folder of the model package to write; empty or not there.")],
    recipe: Annotated[str, typer.Option(help="What is trained; frozen: the heads, full: all layers.")] = "full",
    net: Annotated[
        list[str] | None, typer.Option(help="One of resnet50, densenet121, efficientnet_b0; default: all.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="To start from: imagenet, none, a model package, or a folder with NET*.pth.")
    ] = "imagenet",
    classes: Annotated[Path | None, typer.Option(help="TOML of folders, names and codes; see docs.")] = None,
    masks: Annotated[str, typer.Option(help="Lung masks; auto: where every class has masks/; use; ignore.")] = "auto",
    mask_steps: Annotated[
        int | None, typer.Option(min=1, help="Of 16 images, for the lung net; default: 1000.")
    ] = None,
    patient_pattern: Annotated[
        str | None, typer.Option(help="Regular expression of the patient in file names.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most; default: of the recipe.")] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="Default: of the recipe.")] = None,
    head_rate: Annotated[float | None, typer.Option(help="Learning rate of the head; default: of the recipe.")] = None,
    body_rate: Annotated[float | None, typer.Option(help="Learning rate of all else, for full.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Changed copies of each image, for frozen.")] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the start and all that is drawn.")] = 1,
    device: Annotated[str, typer.Option(help="Where it computes: cpu, cuda or auto.")] = "auto",
    name: Annotated[str, typer.Option(help="Of the package: lower-case letters, digits, hyphens.")] = "chest-xray",
    version: Annotated[str, typer.Option(help="Of the package.")] = "1.0.0",
    sample: Annotated[bool, typer.Option(help="Put a held-out image into the package, to check it with.")] = True,
) -> None:
    """Train a chest X-ray ensemble; writes a model package with evaluation and model card."""
    from ainode_models.training.cxr import train_cxr
    from ainode_models.training.cxr_options import CxrOptions
    from ainode_models.training.cxr_package import Naming

    options = CxrOptions(
        recipe, tuple(net or ()), classes, masks, epochs, batch, head_rate, body_rate, draws, mask_steps
    )
    plan = options.plan(data, weights, patient_pattern, seed=seed, device=device)
    naming = Naming(name, version, sample=sample)
    console = Console()
    with progress_on(console) as progress:
        package = train_cxr(plan, out, naming, today=datetime.now(tz=UTC).date(), progress=progress)
    console.print(f"wrote {package.manifest.name}@{package.manifest.version} to {out}: see {out / 'README.md'}")
