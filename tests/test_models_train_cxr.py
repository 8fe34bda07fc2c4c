"""`ainode train cxr`: from a labelled folder to a package that the node runs and plain torchvision reads."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ainode.cli import app
from ainode.run.radiographs import choose_image, read_radiograph
from ainode_models.class_label import NORMAL
from ainode_models.cxr.classifier import CxrClassifier
from ainode_models.errors import ConfigError
from ainode_models.package import ModelPackage
from ainode_models.package_check import check_package
from ainode_models.torchvision_import import torchvision_models
from ainode_models.training.start_weights import start_lung_net, start_net
from peers.classified import radiograph
from peers.phantom_folder import FOLDERS, write_phantom_folder
from peers.shared_data import ROOT
from peers.xray_folder import write_xray_folder

TABLES = ("confusion", "roc", "precision-recall", "calibration", "subgroups", "loss")
DEMO = ROOT / "models" / "chest-xray-demo"
SHOWN = {"BitsStored": 8, "HighBit": 7, "WindowCenter": 128, "WindowWidth": 256}
"""Elements with which stored values from 0 to 255 come out as from 0 to 1 exactly."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms that the demonstration never saw, of 180 patients; every sixth has two images."""
    return write_phantom_folder(tmp_path_factory.mktemp("phantoms") / "data", patients=180, every=6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A package trained by the command: a head of its own on the frozen body of the demonstration's DenseNet-121.

    The body is drawn from a seed and never learnt anything, nor did it see these phantoms. docs/training.md has the
    figures of other seeds.
    """
    out = tmp_path_factory.mktemp("training") / "package"
    options = ("--recipe", "frozen", "--weights", str(DEMO), "--net", "densenet121", "--draws", "1", "--batch", "16")
    schedule = ("--epochs", "60", "--head-rate", "3e-4", "--mask-steps", "16", "--seed", "1", "--device", "cpu")
    done = CliRunner().invoke(app, ["train", "cxr", str(data), "--out", str(out), *options, *schedule])
    assert done.exit_code == 0, done.output
    return out


def test_held_out_patients_are_told_apart_with_at_least_95_percent(trained: Path) -> None:
    metrics = json.loads((trained / "evaluation" / "metrics.json").read_text())
    assert metrics["accuracy"]["value"] >= 0.95, metrics
    assert metrics["images"] > metrics["patients"] >= 35
    assert [each["auc"]["value"] >= 0.95 for each in metrics["by_class"].values()] == [True] * 4
    keys = {"accuracy", "precision", "recall", "specificity", "f1", "auc", "brier"}
    assert set(metrics["by_class"]["Normal"]) >= keys
    assert metrics["lung_mask"]["dice"]["value"] >= 0.95
    assert metrics["lung_mask"]["not_found"] == 0


def test_the_node_gives_held_out_images_the_probabilities_of_the_training(
    trained: Path, data: Path, tmp_path: Path
) -> None:
    package, classifier = ModelPackage.open(trained), CxrClassifier()
    classifier.load(package, "cpu")
    held_out = json.loads((trained / "evaluation" / "held-out.json").read_text())
    files = {pixels_sha256(file): file for file in data.glob("*/images/*.png")}
    for number, each in enumerate(held_out["images"][::12]):
        stored = np.asarray(Image.open(files[each["pixels_sha256"]]))
        assert FOLDERS[held_out["classes"].index(each["true"])] in str(files[each["pixels_sha256"]])
        if inverse := bool(number % 2):
            stored = 255 - stored
        elements = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"} if inverse else {}
        image = radiograph(np.zeros(stored.shape, np.float32), **SHOWN, **elements)
        image.PixelData = stored.astype(np.uint16).tobytes()
        image.save_as(tmp_path / "chest.dcm", enforce_file_format=True)
        seen, _ = read_radiograph(choose_image([tmp_path / "chest.dcm"]))
        answer = classifier.classify({"chest": seen})
        assert answer.remarks == (), "the lungs were found, and nothing was turned"
        assert list(answer.probabilities.values()) == pytest.approx(each["probabilities"], abs=1e-4)
    assert number >= 3


def test_the_package_passes_the_check_with_the_sample_that_it_brings(trained: Path) -> None:
    report = check_package(ModelPackage.open(trained), "cpu")
    assert report.agreement.startswith("probabilities differ by at most ")
    assert [remark for remark in report.remarks if "sample" in remark] == []


def test_its_normal_class_is_that_of_the_demonstration(trained: Path) -> None:
    for folder in (trained, DEMO):
        classes = ModelPackage.open(folder).manifest.classes
        assert [(each.name, each.type) for each in classes if each.normal] == [("Normal", NORMAL)]


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
    assert package.manifest.training.seed == 1
    assert [net["name"] for net in package.manifest.settings.entries["net"]] == ["densenet121"]
    assert package.manifest.settings.entries["mask"] == {"file": "lungs.pth"}
    card = (trained / "README.md").read_text()
    for said in (
        "Not validated for diagnostic use",
        "by patient",
        "Start weights: chest-xray-demo@1.0.0",
        "Lung mask: Dice 0.9",
        "seed 1",
        "torchvision 0.",
        "| Normal |",
        "## Limits",
    ):
        assert said in card


def test_plain_torchvision_loads_the_weights_strictly(trained: Path) -> None:
    nn = torch.nn
    net = torchvision_models().densenet121(weights=None)
    net.classifier = nn.Sequential(nn.Linear(1024, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 4))
    net.load_state_dict(torch.load(trained / "densenet121.pth", weights_only=True), strict=True)


def test_a_later_training_goes_on_from_its_nets(trained: Path) -> None:
    state = torch.load(trained / "densenet121.pth", weights_only=True)
    body = start_net("densenet121", 2, str(trained)).features.state_dict()
    assert all(torch.equal(value, state[f"features.{key}"]) for key, value in body.items())
    lungs, stored = start_lung_net(str(trained)), torch.load(trained / "lungs.pth", weights_only=True)
    assert lungs is not None
    assert all(torch.equal(value, stored[key]) for key, value in lungs.state_dict().items())
    with pytest.raises(ConfigError, match="has no net resnet50, only densenet121"):
        start_net("resnet50", 2, str(trained))


CLASSES = """
[[class]]
folder = "COVID"
name = "Pneumonia"
type = { value = "233604007", scheme = "SCT", meaning = "Pneumonia" }
anatomy = { value = "39607008", scheme = "SCT", meaning = "Lung" }

[[class]]
folder = "Normal"
name = "Nothing seen"
normal = true
anatomy = { value = "39607008", scheme = "SCT", meaning = "Lung" }
"""


def test_classes_of_ones_own_are_learnt_from_whole_images_and_none_goes_into_the_package_unasked(
    tmp_path: Path,
) -> None:
    data = write_phantom_folder(tmp_path / "data", patients=12, every=99)
    for name in ("Lung_Opacity", "Viral Pneumonia"):
        shutil.rmtree(data / name)
    (data / "patients.csv").unlink()
    (tmp_path / "classes.toml").write_text(CLASSES)
    options = ("--classes", str(tmp_path / "classes.toml"), "--masks", "ignore", "--no-sample", "--weights", "none")
    recipe = ("--recipe", "frozen", "--net", "efficientnet_b0", "--draws", "1", "--epochs", "1", "--device", "cpu")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["train", "cxr", str(data), "--out", str(out), *options, *recipe])
    assert done.exit_code == 0, done.output
    report = check_package(ModelPackage.open(out), "cpu")
    assert any("brings no [sample]" in remark for remark in report.remarks)
    assert [each.normal for each in ModelPackage.open(out).manifest.classes] == [False, True]
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "efficientnet_b0.pth",
        "evaluation",
        "model.toml",
    ]
    card = (out / "README.md").read_text()
    assert "Without lung masks." in card
    assert "the figures above are too good" in card
    assert "sample/" not in card


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
        (lambda data: _shrink(data / "Normal" / "images"), ("--weights", "none"), "the picture has 8 x 8 pixels"),
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


def pixels_sha256(file: Path) -> str:
    """As docs/training.md says it."""
    grey = np.asarray(Image.open(file), np.float32) / np.float32(255)
    return hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest()


def _first(folder: Path) -> Path:
    return min(folder.iterdir())


def _shrink(folder: Path) -> None:
    for number, file in enumerate(sorted(folder.iterdir())):
        Image.new("L", (8, 8), number).save(file)


def _cut(file: Path) -> None:
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
