"""``ainode bench nnunet|keras|cxr`` measures a package on its own sample, beside its own framework."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ainode.bench.framework import Nnunetv2, by_framework, framework_of
from ainode.bench.model_bench import ModelBench
from ainode.bench.timed import Request, Timed
from ainode.cli import app
from ainode.run.volume_file import save_prediction
from ainode_models.errors import InputError, ModelError, PackageError
from ainode_models.keras.runtime import KerasRuntime
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.sample_files import sample_volumes, stored_label_map
from peers.nnunet_results import package_of, write_result
from peers.shared_data import ROOT

MODELS = ROOT / "models"


def _bench(out: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ainode", "bench", *arguments, "--device", "cpu", "--rounds", "1"]
    users = ["--users", "1", "--users", "2", "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([*command, *users], env=environment, capture_output=True, text=True, check=False)


def _rows(file: Path) -> dict[str, Any]:
    return {row["metric"]: row["value"] for row in json.loads(file.read_text())["rows"]}


def test_an_nnunet_is_measured_beside_nnunetv2_in_each_profile_and_for_several_users(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(MODELS / "t1-head-demo", folder)
    manifest = folder / "model.toml"
    added = '\n[profile.exact]\nprecision = "bf16"\ncases = 1\n[profile.exact.dice]\nHead = 0.9999\n'
    manifest.write_text(manifest.read_text() + added)
    done = _bench(tmp_path, "nnunet", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = _rows(tmp_path / "nnunet.json")
    assert rows["model"].startswith("t1-head-demo@")
    assert rows["as_trained_equal_voxels"] > 0.999
    assert rows["exact_dice_min"] > 0.99
    assert rows["as_trained_ratio"] > 0
    assert rows["framework_peak_mb"] > rows["as_trained_peak_mb"] > 0, "torch alone takes more"
    assert rows["users_2_cases_per_s"] > 0
    assert rows["users_1_errors"] == rows["users_2_errors"] == 0
    assert ModelPackage.open(folder).manifest.disclaimer in done.stdout
    with Image.open(tmp_path / "nnunet.png") as picture:
        assert picture.size == (1080, 504)


def test_an_ensemble_for_radiographs_is_measured_beside_torch(tmp_path: Path) -> None:
    done = _bench(tmp_path, "cxr", str(MODELS / "chest-xray-demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = _rows(tmp_path / "cxr.json")
    assert rows["as_trained_probability_difference_max"] < 0.01
    assert rows["as_trained_ratio"] > 0
    nets = [name.removeprefix("framework_").removesuffix("_s") for name in rows if name.startswith("framework_")]
    assert {"resnet50", "densenet121", "efficientnet_b0"} < set(nets)
    for net in ("resnet50", "densenet121", "efficientnet_b0"):
        assert rows[f"as_trained_{net}_s"] > 0
        assert rows[f"as_trained_{net}_ratio"] > 0
        assert rows[f"as_trained_{net}_probability_difference_max"] < 0.02


def test_tensorflow_itself_gives_the_labels_that_the_package_stores() -> None:
    package = ModelPackage.open(MODELS / "brain-tumour-keras-demo")
    sample = package.manifest.sample
    assert sample
    assert (framework_of("keras") or "").startswith("tensorflow ")
    model = by_framework("keras")
    assert isinstance(model, KerasRuntime)
    model.load(package, "cpu")
    answer = model.predict(sample_volumes(package, sample)).label_map
    model.unload()
    stored = stored_label_map(package, sample)
    assert answer.any()
    assert np.mean(answer == stored) > 0.999


def test_a_model_of_another_kind_and_one_without_a_sample_are_refused(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["bench", "keras", str(MODELS / "t1-head-demo")])
    assert isinstance(said.exception, PackageError)
    assert "is a model for nnunet, not for keras" in str(said.exception)
    folder = tmp_path / "package"
    shutil.copytree(MODELS / "t1-head-demo", folder)
    text = (folder / "model.toml").read_text()
    assert text.index("[nnunet]") < text.index("[sample]"), "the last table"
    (folder / "model.toml").write_text(text.partition("[sample]")[0])
    said = CliRunner().invoke(app, ["bench", "nnunet", str(folder)])
    assert isinstance(said.exception, PackageError)
    assert "brings no sample to be measured on" in str(said.exception)


def test_a_case_of_ones_own_is_measured_instead_of_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ainode.bench.model_bench.framework_of", lambda _runtime: None)  # which takes long to import
    folder, case = tmp_path / "package", tmp_path / "case"
    shutil.copytree(MODELS / "t1-head-demo", folder)
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().partition("[sample]")[0])
    case.mkdir()
    (name,) = (each.name for each in ModelPackage.open(folder).manifest.inputs)
    image = np.random.default_rng(1).normal(size=(32, 32, 32)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(image, np.diag([2.0, 2.0, 2.0, 1.0])), case / f"{name}.nii.gz")  # type: ignore[no-untyped-call]
    asked = ["bench", "nnunet", str(folder), "--case", str(case), "--rounds", "1", "--users", "1", "--device", "cpu"]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert _rows(tmp_path / "nnunet.json")["as_trained_s"] > 0


def test_a_case_without_an_input_and_a_model_that_is_not_there_are_said(tmp_path: Path) -> None:
    model = str(MODELS / "t1-head-demo")
    said = CliRunner().invoke(app, ["bench", "nnunet", model, "--case", str(tmp_path)])
    assert isinstance(said.exception, InputError)
    assert "each case needs every input of the model" in str(said.exception)
    settings = tmp_path / "ainode.toml"
    settings.write_text(f'[models]\nfolder = "{MODELS}"\n')
    said = CliRunner().invoke(app, ["bench", "cxr", "unknown", "--settings", str(settings)])
    assert isinstance(said.exception, PackageError)
    assert "unknown" in str(said.exception)
    assert "t1-head-demo" in str(said.exception), "which there are"


def test_a_framework_that_is_not_installed_or_fails_has_a_row_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = ModelPackage.open(MODELS / "t1-head-demo")
    bench = ModelBench(package, "cpu", tmp_path, rounds=1, users=[])
    timed = Timed(0.1, [1.0], 100, None, "cpu")

    def asked(request: Request) -> Timed:
        if request.profile is None:
            raise ModelError("no single predictor")
        save_prediction(Path(request.output), Prediction(np.zeros((2, 2, 2), np.uint8), {}))
        return timed

    monkeypatch.setattr(Request, "timed", asked)
    failed = {row.metric: row.value for row in bench.measure().rows}
    assert failed["framework"] == "does not run it: no single predictor"
    monkeypatch.setattr("ainode.bench.model_bench.framework_of", lambda _runtime: None)
    absent = {row.metric: row.value for row in bench.measure().rows}
    assert absent["framework"] == "nnunetv2 is not installed"
    assert absent["as_trained_s"] == 1.0
    assert "as_trained_ratio" not in absent


def test_what_nnunetv2_has_no_single_predictor_for_is_left_out(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_result(tmp_path / name, "3d_fullres")
    tables = "".join(
        f'[[nnunet.member]]\nfolder = "{name}"\nfolds = [0]\nmirroring = false\n' for name in ("one", "two")
    )
    with pytest.raises(PackageError, match="no single predictor for a cascade or an ensemble"):
        Nnunetv2().load(package_of(tmp_path, tables), "cpu")
