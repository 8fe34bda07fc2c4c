"""``make bench-study`` measures a node beside an Orthanc, and draws what it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ainode.bench.study_moments import PHASES, Moments
from ainode.bench.study_run import StudyPlan, run_study_bench
from ainode_models.errors import ConfigError
from ainode_models.package import ModelPackage

MOMENTS = Moments(
    sent=100.0,
    indexed=100.5,
    queued=102.6,
    started=102.7,
    prepared=103.2,
    predicted=104.3,
    encoded=105.0,
    found=105.2,
    quiet_s=2.0,
    model_s=1.0,
)


def test_the_parts_of_the_overhead_are_all_that_is_neither_quiet_time_nor_the_models() -> None:
    assert MOMENTS.whole_s == pytest.approx(3.2)
    assert MOMENTS.overhead_s == pytest.approx(2.2)
    assert sum(MOMENTS.phases.values()) == pytest.approx(MOMENTS.overhead_s)
    assert MOMENTS.phases["complete"] == pytest.approx(0.6)
    assert MOMENTS.phases["handed over"] == pytest.approx(0.1)


def test_the_bench_sends_studies_and_writes_its_figures_and_their_picture(tmp_path: Path, quick_models: Path) -> None:
    sizes = ["--slices", "8", "--rows", "32", "--quiet", "0.5", "--rounds", "2", "--users", "2", "--users-rounds", "1"]
    program = [sys.executable, "-m", "ainode", "bench", "study", *sizes, "--models", str(quick_models)]
    done = subprocess.run(
        [*program, "--out", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["metric"]: row["value"] for row in json.loads((tmp_path / "study.json").read_text())["rows"]}
    assert (rows["slices"], rows["errors"], rows["quiet_s"]) == (8, 0, 0.5)
    assert rows["model"].startswith("t1-head-demo@")
    assert ModelPackage.open(quick_models / "t1-head-demo").manifest.disclaimer in done.stdout
    assert rows["studies_1_p95_s"] >= rows["studies_1_p50_s"] > rows["model_p50_s"] > 0
    assert rows["studies_2_cases_per_s"] > 0
    assert {f"overhead_{name.replace(' ', '_')}_p50_s" for name in PHASES} < rows.keys()
    with Image.open(tmp_path / "study.png") as picture:
        assert picture.size == (1080, 780)


def test_models_that_are_not_there_are_said_before_anything_starts(tmp_path: Path) -> None:
    work = tmp_path / "work"
    plan = StudyPlan(rounds=1, at_once=(2,), at_once_rounds=1, slices=8, rows=32, quiet=0.5)
    with pytest.raises(ConfigError, match=r"the model is not there: .*t1-head-demo; install it"):
        run_study_bench(plan, work, models=tmp_path, chart=tmp_path / "study.png", tell=lambda _said: None)
    assert not work.exists()
