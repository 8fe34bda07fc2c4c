"""`ainode train cxr`: from a labelled folder to a package that plain torchvision reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ainode.cli import app
from ainode_models.package import ModelPackage
from ainode_models.torchvision_import import torchvision_models
from peers.xray_folder import FOLDERS, write_xray_folder

TABLES = ("confusion", "roc", "precision-recall", "calibration", "subgroups", "loss")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package trained by the command on 48 drawn X-rays of 24 patients."""
    folder = tmp_path_factory.mktemp("training")
    data, out = write_xray_folder(folder / "data", patients=6, seed=1), folder / "package"
    options = ("--recipe", "frozen", "--weights", "none", "--net", "resnet50", "--draws", "1", "--batch", "8")
    schedule = ("--epochs", "30", "--head-rate", "1e-3", "--seed", "3", "--device", "cpu")
    done = CliRunner().invoke(app, ["train", "cxr", str(data), "--out", str(out), *options, *schedule])
    assert done.exit_code == 0, done.output
    return out


def test_held_out_patients_are_told_apart_with_at_least_95_percent(trained: Path) -> None:
    metrics = json.loads((trained / "evaluation" / "metrics.json").read_text())
    assert metrics["accuracy"]["value"] >= 0.95, metrics
    assert metrics["patients"] >= 4
    assert [each["auc"]["value"] >= 0.95 for each in metrics["by_class"].values()] == [True] * 4
    assert set(metrics["by_class"]["Normal"]) >= {
        "accuracy",
        "precision",
        "recall",
        "specificity",
        "f1",
        "auc",
        "brier",
    }


def test_every_table_is_there_as_json_and_as_a_picture_that_is_not_blank(trained: Path) -> None:
    for name in TABLES:
        assert json.loads((trained / "evaluation" / f"{name}.json").read_text())
        with Image.open(trained / "evaluation" / f"{name}.png") as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5
    subgroups = json.loads((trained / "evaluation" / "subgroups.json").read_text())
    assert set(subgroups) == {"sex", "age", "site", "view"}


def test_the_package_is_sound_and_its_card_says_what_was_done(trained: Path) -> None:
    package = ModelPackage.open(trained)
    package.verify()
    assert [each.name for each in package.manifest.classes] == ["COVID-19", "Lung opacity", "Normal", "Viral pneumonia"]
    assert package.manifest.training.seed == 3
    assert [net["name"] for net in package.manifest.settings.entries["net"]] == ["resnet50"]
    card = (trained / "README.md").read_text()
    for said in (
        "Not validated for diagnostic use",
        "by patient",
        "seed 3",
        "torchvision 0.",
        "| Normal |",
        "## Limits",
    ):
        assert said in card


def test_plain_torchvision_loads_the_weights_strictly(trained: Path) -> None:
    nn = torch.nn
    net = torchvision_models().resnet50(weights=None)
    net.fc = nn.Sequential(nn.Linear(2048, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 4))
    net.load_state_dict(torch.load(trained / "resnet50.pth", weights_only=True), strict=True)


def test_an_existing_package_is_not_overwritten(trained: Path) -> None:
    done = CliRunner().invoke(app, ["train", "cxr", str(trained), "--out", str(trained)])
    assert "is not empty" in str(done.exception)


@pytest.mark.parametrize(
    ("break_it", "options", "said"),
    [
        (lambda data: (data / "Influenza").mkdir(), (), "no class has the folder Influenza"),
        (lambda data: (data / "Normal").rename(data / "normal"), (), "has no folder Normal"),
        (lambda data: _first(data / "Normal" / "masks").unlink(), (), "an image has no mask"),
        (lambda data: _first(data / "Normal" / "images").write_bytes(b"no image"), (), "an image cannot be read"),
        (lambda data: _cut(data / "patients.csv"), (), "has no line for an image"),
        (lambda data: (data / "patients.csv").unlink(), ("--patient-pattern", r"ID(\d+)"), "finds nothing"),
        (lambda data: (data / "patients.csv").unlink(), ("--patient-pattern", r"^(\w+?)[- ]"), "images of 1 patients"),
        (lambda data: None, ("--net", "vgg16"), "use each of resnet50"),
        (lambda data: None, ("--recipe", "fast"), "there are frozen, full"),
        (lambda data: None, ("--weights", "nowhere"), "is no folder"),
    ],
)
def test_what_is_wrong_with_data_or_options_is_said(tmp_path: Path, break_it: Any, options: Any, said: str) -> None:
    data = write_xray_folder(tmp_path / "data", patients=3, seed=1)
    break_it(data)
    done = CliRunner().invoke(app, ["train", "cxr", str(data), "--out", str(tmp_path / "out"), *options])
    assert said in str(done.exception), done.output


def test_plain_class_folders_without_masks_and_patients_are_read(tmp_path: Path) -> None:
    from ainode_models.training.class_folder import read_class_folders
    from ainode_models.training.patients import patients_of
    from ainode_models.training.xray_folder import has_masks, read_xrays

    for name in FOLDERS:
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name / "one.png")
    classes, patients = read_class_folders(), patients_of(tmp_path, None)
    assert not has_masks(tmp_path, classes)
    xrays = read_xrays(tmp_path, classes, patients, masked=False)
    assert [xray.label for xray in xrays] == [0, 1, 2, 3]
    assert len({xray.patient.id for xray in xrays}) == 4
    assert not patients.by_patient


def _first(folder: Path) -> Path:
    return min(folder.iterdir())


def _cut(file: Path) -> None:
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
