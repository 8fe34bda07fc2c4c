"""`ainode evaluate`: packages of third parties, measured on labelled X-rays and volumes."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from ainode.cli import app
from ainode_models.errors import InputError
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification, Prediction
from ainode_models.radiograph import Radiograph
from ainode_models.training.nifti_case import read_volume
from ainode_models.volume import Volume
from peers.xray_folder import write_xray_folder

_HEAD = """schema = 1
name = "{kind}"
version = "1.0.0"
title = "{kind}"
manufacturer = "test"
family = {{ value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }}
runtime = "{kind}"
intended_use = "test"
disclaimer = "test"
limits = "test"
licence = "test"
training = {{ data = "none" }}
weights = [{{ path = "weights", sha256 = "{digest}" }}]
"""
_CLASS = """
[[class]]
name = "{name}"
type = {{ value = "112001", scheme = "DCM", meaning = "Opacity" }}
anatomy = {{ value = "39607008", scheme = "SCT", meaning = "Lung" }}
threshold = 0.5
"""
_LABEL = """
[geometry]
orientation = "LPS"

[[label]]
value = 2
name = "Bright"
category = { value = "49755003", scheme = "SCT", meaning = "Morphologically Abnormal Structure" }
type = { value = "79654002", scheme = "SCT", meaning = "Edema" }
anatomy = { value = "12738006", scheme = "SCT", meaning = "Brain" }
color = "#ff0000"
"""
_DENSITIES = {"COVID-19": 0.9, "Lung opacity": 0.3, "Normal": 0.1, "Viral pneumonia": 0.6}


class _ByDensity:
    """Tells the drawn X-rays apart by the grey of a lung; refuses lateral views."""

    def is_available(self) -> str | None:
        return None

    def load(self, package: ModelPackage, device: str) -> None:
        self._names = [each.name for each in package.manifest.classes]

    def classify(self, images: Mapping[str, Radiograph], *, explain: str | None = None) -> Classification:
        image = images["chest"]
        if image.view == "LL":
            raise InputError("a lateral view")
        seen = image.pixels[44:52, 26:32].mean()
        scores = np.exp([-20 * abs(_DENSITIES[name] - seen) for name in self._names])
        return Classification(dict(enumerate(scores / scores.sum(), 1)), {})

    def unload(self) -> None:
        pass


class _ByBrightness:
    """Labels what is brighter than a half."""

    def is_available(self) -> str | None:
        return None

    def load(self, package: ModelPackage, device: str) -> None:
        pass

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        return Prediction(np.where(volumes["T1"].array > 0.5, 2, 0).astype(np.uint8), {})

    def unload(self) -> None:
        pass


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both as a third party's distribution offers them."""

    def points(*, group: str) -> list[EntryPoint]:
        name, target = {"ainode.runtimes": ("bright", _ByBrightness), "ainode.classifiers": ("dense", _ByDensity)}[
            group
        ]
        return [EntryPoint(name, f"{__name__}:{target.__name__}", group)]

    monkeypatch.setattr("ainode_models.offered.entry_points", points)
    monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr])


def package_of(folder: Path, kind: str, answers: str, *, modality: str) -> Path:
    folder.mkdir()
    (folder / "weights").write_bytes(b"none")
    head = _HEAD.format(kind=kind, digest=hashlib.sha256(b"none").hexdigest())
    name = "chest" if modality == "DX" else "T1"
    given = f'[[input]]\nname = "{name}"\nmodality = "{modality}"\ndescription = "image"\n'
    (folder / "model.toml").write_text(f"{head}{given}{answers}\n[{kind}]\n")
    return folder


@pytest.mark.usefixtures("offered")
def test_a_classifier_is_measured_on_a_labelled_folder_and_its_refusals_are_counted(tmp_path: Path) -> None:
    data = write_xray_folder(tmp_path / "data", patients=4, seed=2)
    listed = data / "patients.csv"
    listed.write_text(listed.read_text().replace(",AP,", ",LL,", 2))
    classes = "".join(_CLASS.format(name=name) for name in reversed(_DENSITIES))
    package = package_of(tmp_path / "dense", "dense", classes, modality="DX")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["evaluate", str(package), str(data), "--out", str(out)])
    assert done.exit_code == 0, done.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["images"], metrics["refused_images"], metrics["split_by_patient"]) == (30, 2, True)
    assert metrics["accuracy"]["value"] == 1.0
    assert metrics["model"]["name"] == "dense"
    assert list(metrics["by_class"]) == list(reversed(_DENSITIES))
    for name in ("confusion", "roc", "precision-recall", "calibration", "subgroups"):
        assert (out / f"{name}.json").is_file()
        with Image.open(out / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.usefixtures("offered")
def test_classes_that_the_package_does_not_have_are_refused(tmp_path: Path) -> None:
    data = write_xray_folder(tmp_path / "data", patients=1, seed=2)
    classes = _CLASS.format(name="Normal") + _CLASS.format(name="Tuberculosis")
    package = package_of(tmp_path / "dense", "dense", classes, modality="DX")
    done = CliRunner().invoke(app, ["evaluate", str(package), str(data), "--out", str(tmp_path / "out")])
    assert "has the classes Normal, Tuberculosis" in str(done.exception)


def save(voxels: NDArray[Any], affine: NDArray[Any], file: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, affine), file)  # type: ignore[no-untyped-call]  # nibabel says no types


def cube(folder: Path, *, label: tuple[int, int] | None, seen: tuple[int, int] | None) -> None:
    """A case with a cube along i from and to, true and as the model sees it; 2 x 1 x 3 mm voxels."""
    folder.mkdir(parents=True)
    affine = np.diag([2.0, 1.0, 3.0, 1.0])
    for name, place in (("label", label), ("T1", seen)):
        voxels = np.zeros((20, 12, 10), np.uint8)
        if place is not None:
            voxels[place[0] : place[1], 3:9, 2:8] = 2 if name == "label" else 1
        save(voxels, affine, folder / f"{name}.nii.gz")


@pytest.mark.usefixtures("offered")
def test_a_segmentation_is_measured_case_by_case_in_millimetres(tmp_path: Path) -> None:
    cube(tmp_path / "data" / "right", label=(4, 10), seen=(4, 10))
    cube(tmp_path / "data" / "shifted", label=(4, 10), seen=(6, 12))
    cube(tmp_path / "data" / "nothing", label=None, seen=None)
    cube(tmp_path / "data" / "missed", label=(4, 10), seen=None)
    cube(tmp_path / "data" / "invented", label=None, seen=(4, 6))
    package = package_of(tmp_path / "bright", "bright", _LABEL, modality="MR")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["evaluate", str(package), str(tmp_path / "data"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    cases = {name: case["Bright"] for name, case in json.loads((out / "cases.json").read_text()).items()}
    dice = {"right": 1.0, "shifted": 2 / 3, "nothing": 1.0, "missed": 0.0, "invented": 0.0}
    assert {name: each["dice"] for name, each in cases.items()} == pytest.approx(dice)
    assert [cases[name]["hd95_mm"] for name in ("right", "shifted", "nothing", "missed")] == [0.0, 4.0, 0.0, None]
    assert cases["missed"]["error_ml"] == pytest.approx(-6 * 6 * 6 * 6e-3)
    assert cases["missed"]["error_percent"] == pytest.approx(-100)
    whole = json.loads((out / "metrics.json").read_text())["labels"]["Bright"]
    assert [whole[key] for key in ("cases", "in_truth", "missed", "invented")] == [5, 3, 1, 1]
    assert whole["dice"]["value"] == pytest.approx(np.mean(list(dice.values())))
    assert whole["dice"]["low"] < whole["dice"]["value"] < whole["dice"]["high"]
    with Image.open(out / "overlap.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.usefixtures("offered")
def test_labels_on_another_grid_are_refused(tmp_path: Path) -> None:
    cube(tmp_path / "data" / "one", label=(4, 10), seen=(4, 10))
    save(np.zeros((20, 12, 10), np.uint8), np.eye(4), tmp_path / "data" / "one" / "label.nii.gz")
    package = package_of(tmp_path / "bright", "bright", _LABEL, modality="MR")
    done = CliRunner().invoke(app, ["evaluate", str(package), str(tmp_path / "data"), "--out", str(tmp_path / "out")])
    assert "lie on different grids" in str(done.exception)


def test_nifti_voxels_keep_their_places_in_the_axes_of_dicom(tmp_path: Path) -> None:
    affine = np.array([[0, -2.0, 0, 10], [1.5, 0, 0, -20], [0, 0, 4, 30], [0, 0, 0, 1]])
    voxels = np.zeros((5, 6, 7), np.float32)
    voxels[1, 2, 3] = 1
    save(voxels, affine, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz", "a")
    assert volume.array.shape == (7, 6, 5)
    (place,) = np.argwhere(volume.array == 1)
    left, back, up = (volume.affine @ [*place, 1])[:3]
    assert (-left, -back, up) == pytest.approx(tuple((affine @ [1, 2, 3, 1])[:3]))
    assert volume.spacing == pytest.approx((4, 2, 1.5))
