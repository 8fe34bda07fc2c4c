"""``ainode bench``: how fast are the models, and the whole way of a study, on this machine?"""

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ainode.cli.journal import SettingsOption
from ainode.measurement import Machine, Report, Row, commit_of
from ainode.settings import load_settings

app = typer.Typer(
    help="How fast are the models, and the whole way of a study, on this machine: a table, JSON and a chart.",
    no_args_is_help=True,
)

_Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="An installed package by its name, NAME@VERSION, or a folder.")
]
_Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the model computes.")]
_Rounds = Annotated[int, typer.Option(min=1, help="Answers of each way, after one that warms up.")]
_Users = Annotated[list[int], typer.Option(min=1, help="So many at once; may be given several times.")]
_Case = Annotated[
    Path | None, typer.Option(help="A folder with INPUT.nii.gz for each input; default: the package's own sample.")
]
_Out = Annotated[Path, typer.Option(help="Folder for the JSON and the chart.")]
_OUT = Path("ainode-bench")
_USERS = (1, 2, 4, 8)


@app.command("nnunet", help="An nnU-Net beside nnunetv2's own predictor: each profile, and several users at once.")
@app.command("keras", help="A network of TensorFlow beside TensorFlow itself, and several users at once.")
def segmenting(
    context: typer.Context,
    model: _Model,
    device: _Device = "auto",
    rounds: _Rounds = 3,
    users: _Users = list(_USERS),  # noqa: B006 - typer copies it
    case: _Case = None,
    out: _Out = _OUT,
    settings: SettingsOption = None,
) -> None:
    """A model that segments, on its sample or a case of the user's; the command names its runtime."""
    runtime = str(context.info_name)
    _bench(runtime, model, device=device, rounds=rounds, users=users, case=case, out=out, settings=settings)


@app.command()
def cxr(
    model: _Model,
    device: _Device = "auto",
    rounds: _Rounds = 10,
    users: _Users = list(_USERS),  # noqa: B006
    out: _Out = _OUT,
    settings: SettingsOption = None,
) -> None:
    """A chest X-ray ensemble on its own sample, beside torch in fp32, and several users at once."""
    _bench("cxr", model, device=device, rounds=rounds, users=users, out=out, settings=settings)


@app.command()
def study(
    rounds: Annotated[int, typer.Option(min=1, help="Studies one at a time.")] = 20,
    users: Annotated[list[int], typer.Option(min=2, help="Studies at once; may be given several times.")] = [2, 4, 8],  # noqa: B006
    users_rounds: Annotated[int, typer.Option(min=1, help="Rounds of each of these.")] = 5,
    slices: Annotated[int, typer.Option(min=8, help="Images of a study.")] = 155,
    rows: Annotated[int, typer.Option(min=32, help="Rows, and columns, of an image.")] = 240,
    quiet: Annotated[float, typer.Option(min=0.1, help="The node's quiet time, s; it is not counted.")] = 2.0,
    models: Annotated[Path | None, typer.Option(help="Folder with t1-head-demo; default: the checkout's.")] = None,
    out: _Out = _OUT,
) -> None:
    """From the last image of a study to its SEG and SR in an archive: a node and an Orthanc of their own, phantoms."""
    from ainode.bench.study_run import StudyPlan, run_study_bench

    plan = StudyPlan(rounds, tuple(users), users_rounds, slices, rows, quiet)
    console = Console()
    found = run_study_bench(
        plan, out / "work-study", models=models, chart=out / "study.png", tell=lambda said: _say(said, console)
    )
    _write("study", found, out, console)


def _bench(
    runtime: str,
    model: str,
    *,
    device: str,
    rounds: int,
    users: list[int],
    out: Path,
    settings: Path | None,
    case: Path | None = None,
) -> None:
    from ainode.bench.framework import framework_of
    from ainode.bench.model_bench import ModelBench
    from ainode.bench.model_chart import draw
    from ainode_models.errors import PackageError
    from ainode_models.package import ModelPackage
    from ainode_models.registry import Registry
    from ainode_models.training.nifti_case import read_case

    folder = Path(model)
    given = ModelPackage.open(folder) if folder.is_dir() else None
    package = given or Registry(load_settings(settings, os.environ).models.folder).get(model)
    manifest = package.manifest
    if manifest.runtime != runtime:
        raise PackageError(f"{package.reference} is a model for {manifest.runtime}, not for {runtime}")
    volumes = read_case(case, [each.name for each in manifest.inputs]) if case else None
    console = Console()
    with tempfile.TemporaryDirectory() as work:
        bench = ModelBench(package, device, Path(work), rounds, users, lambda said: _say(said, console), volumes)
        measured = bench.measure()
    note = f"{manifest.disclaimer} {Machine.this().cpu}, {Machine.this().cores} cores."
    rows = (Row(metric="model", value=package.reference, unit=""), *measured.rows)
    draw(
        out / f"{runtime}.png",
        measured,
        title=f"{manifest.title} ({package.reference})",
        framework=framework_of(runtime),
        note=note,
    )
    _write(runtime, rows, out, console)
    _say(manifest.disclaimer, console)


def _write(name: str, rows: tuple[Row, ...], out: Path, console: Console) -> None:
    report = Report(
        name=name,
        rows=rows,
        measured_at=datetime.now().astimezone(),
        commit=commit_of(Path(__file__).parent),
        machine=Machine.this(),
    )
    report.write(out / f"{name}.json")
    console.print(report.table())
    _say(f"in {out}: {name}.json and {name}.png", console)


def _say(said: str, console: Console) -> None:
    console.print(said, highlight=False, markup=False, soft_wrap=True)
