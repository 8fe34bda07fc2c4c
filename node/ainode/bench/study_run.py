"""A node, an Orthanc, and the studies of `StudyBench`, from start to end."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ainode.bench.study_bench import GOAL_S, StudyBench
from ainode.bench.study_cases import Studies
from ainode.bench.study_chart import draw
from ainode.cli.journal import journal
from ainode.demo.site import STORESCU, DemoSite
from ainode.measurement import Machine, Row
from ainode_models.errors import ConfigError
from ainode_models.package import ModelPackage
from ainode_orthanc.server import PROGRAM

_MODELS = Path(__file__).resolve().parents[3] / "models"
"""The demonstration's, in a checkout."""
_RULE = """
[[rule]]
name = "head"
model = "t1-head-demo"
destinations = ["orthanc"]
[rule.input.T1]
Modality = "MR"
SeriesDescription = { regex = "(?i)t1" }
"""
_LIMIT_S = 300
"""After which a study counts as an error."""


@dataclass(frozen=True)
class StudyPlan:
    """What is sent, and how often."""

    rounds: int
    """Studies one at a time."""
    at_once: tuple[int, ...]
    at_once_rounds: int
    """Of each of these."""
    slices: int
    rows: int
    quiet: float
    """Quiet time of the node, s."""


def run_study_bench(
    plan: StudyPlan, work: Path, *, models: Path | None, chart: Path, tell: Callable[[str], None]
) -> tuple[Row, ...]:
    """All rows; draws ``chart``, and leaves state and logs in ``work``, which is emptied first.

    Raises `ConfigError` where Orthanc, dcmtk or the model is not there.
    """
    folder = models or _MODELS
    for what, needed in (("Orthanc", PROGRAM), ("dcmtk", STORESCU), ("the model", folder / "t1-head-demo")):
        if not needed.exists():
            raise ConfigError(f"{what} is not there: {needed}; install it, or give the folder of the models")
    shutil.rmtree(work, ignore_errors=True)
    studies = Studies(work / "sent", slices=plan.slices, rows=plan.rows)
    with (
        DemoSite(work / "site", models=folder, rules=_RULE, quiet=plan.quiet, follow=False) as site,
        journal(site.settings) as book,
    ):
        bench = StudyBench(studies, site, book, tell=tell, seconds=_LIMIT_S)
        bench.warm_up()
        for _ in range(plan.rounds):
            bench.measure(1)
        for _ in range(plan.at_once_rounds):
            for count in plan.at_once:
                bench.measure(count)
    whole = {count: [m.whole_s for m in moments] for count, moments in bench.moments.items()}
    model = ModelPackage.open(folder / "t1-head-demo")
    machine = Machine.this()
    draw(
        chart,
        bench.phases(),
        [m.overhead_s for m in bench.moments[1]],
        whole,
        goal=GOAL_S,
        title=f"{model.manifest.title} ({model.reference})",
        note=f"{model.manifest.disclaimer} {machine.cpu}, {machine.cores} cores.",
    )
    tell(model.manifest.disclaimer)
    return (
        Row(metric="model", value=model.reference, unit=""),
        Row(metric="slices", value=plan.slices, unit="1"),
        *bench.rows(),
    )
