"""The nnU-Net runtime answers as nnunetv2's own predictor, and runs no code of a package."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its documentation uses
import torch
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from numpy.typing import NDArray

from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.errors import PackageError, RuntimeUnavailable, SeriesMismatchError
from ainode_models.orientation import to_canonical
from ainode_models.package import ModelPackage
from ainode_models.runtime import runtime_for
from ainode_models.volume import Volume
from peers.nnunet_results import assert_same_labels, nnunet_in_fp32

MODELS = Path(__file__).parent.parent / "models"


def sum_up(folder: Path) -> None:
    """Write the sums of the weights into the manifest of ``folder``."""
    manifest = folder / "model.toml"
    for weights in ModelPackage.open(folder).manifest.weights:
        actual = hashlib.sha256((folder / weights.path).read_bytes()).hexdigest()
        manifest.write_text(manifest.read_text().replace(weights.sha256, actual))


def answer_of_nnunet(
    folder: Path, files: list[Path], folds: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Labels and probabilities of nnunetv2 when it reads image files by itself."""
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), folds)
    image, properties = SimpleITKIO().read_images([str(file) for file in files])
    with nnunet_in_fp32():
        labels, probabilities = predictor.predict_single_npy_array(image, properties, None, None, True)
    return labels, probabilities


def write_images(volumes: list[Volume], folder: Path) -> list[Path]:
    """Image files in canonical axes."""
    files = [folder / f"case_{channel:04d}.nii.gz" for channel in range(len(volumes))]
    for volume, file in zip(volumes, files, strict=True):
        canonical, _ = to_canonical(volume)
        image = sitk.GetImageFromArray(canonical.array)
        image.SetSpacing(canonical.spacing[::-1])  # type: ignore[no-untyped-call]
        sitk.WriteImage(image, str(file))
    return files


def test_the_labels_are_those_of_nnunetv2_itself(tmp_path: Path) -> None:
    phantom = brain_tumour_phantom(
        np.random.default_rng(77), orientation="coronal", shape=(40, 48, 52), spacing=(3.1, 2.9, 2.5)
    )
    package = ModelPackage.open(MODELS / "brain-tumour-demo")
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    prediction = runtime.predict(phantom.volumes)
    files = write_images([phantom.volumes[each.name] for each in package.manifest.inputs], tmp_path)
    _, turn = to_canonical(phantom.volumes["T1"])
    labels, probabilities = answer_of_nnunet(package.folder / "nnunet", files, (0,))
    expected = turn.undo(labels)
    assert expected.any()
    assert prediction.label_map.dtype == np.uint8
    assert np.mean(prediction.label_map == expected) >= 0.9999
    assert_same_labels(prediction.label_map, expected, np.stack([turn.undo(each) for each in probabilities]))
    assert set(prediction.confidence) == set(np.unique(expected).tolist()) - {0}
    assert all(0.25 < value <= 1 for value in prediction.confidence.values())


def declare_part_and_second_fold(manifest: Path) -> None:
    text = manifest.read_text().replace("folds = [0]", "folds = [0, 1]")
    label = text[text.index("[[label]]") : text.index("[nnunet]")]
    part = label.replace("value = 1\n", "value = 2\n").replace('"Head"', '"Part"', 1)
    fold = f'[[weights]]\npath = "nnunet/fold_1/checkpoint_final.pth"\nsha256 = "{"0" * 64}"\n\n'
    manifest.write_text(text.replace("[nnunet]", part + "[nnunet]").replace("[[input]]", fold + "[[input]]"))


def small_plans(plans: dict[str, Any], configuration: str) -> dict[str, Any]:
    """``plans`` with one small network, in two or three dimensions."""
    settings = plans["configurations"].pop("3d_fullres")
    dimensions = 2 if configuration == "2d" else 3
    settings |= {"patch_size": [16] * dimensions, "spacing": [4.0] * dimensions}
    settings["architecture"]["arch_kwargs"] |= {
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "kernel_sizes": [[3] * dimensions] * 2,
        "strides": [[1] * dimensions, [2] * dimensions],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
    }
    return {**plans, "configurations": {configuration: settings}}


def untrained_checkpoint(plans: dict[str, Any], configuration: str, *, seed: int) -> dict[str, Any]:
    """A checkpoint for one channel and two regions, with the numbers of numpy that nnU-Net logs."""
    torch.manual_seed(seed)
    architecture = plans["configurations"][configuration]["architecture"]
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        2,
        deep_supervision=False,
    )
    return {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": configuration},
        "inference_allowed_mirroring_axes": None,
        "logging": {"ema_fg_dice": [np.float64(0.5), np.float32(0.25)], "lrs": np.array([0.01])},
        "_best_ema": np.float64(0.5),
    }


def region_package(folder: Path, configuration: str) -> Path:
    """A package of two folds of untrained networks with overlapping regions."""
    shutil.copytree(MODELS / "t1-head-demo", folder)
    nnunet = folder / "nnunet"
    plans = small_plans(json.loads((nnunet / "plans.json").read_text()), configuration)
    (nnunet / "plans.json").write_text(json.dumps(plans))
    dataset = json.loads((nnunet / "dataset.json").read_text())
    dataset |= {"labels": {"background": 0, "all": [1, 2], "part": 2}, "regions_class_order": [1, 2]}
    (nnunet / "dataset.json").write_text(json.dumps(dataset))
    for fold in (0, 1):
        (nnunet / f"fold_{fold}").mkdir(exist_ok=True)
        checkpoint = untrained_checkpoint(plans, configuration, seed=fold)
        torch.save(checkpoint, nnunet / f"fold_{fold}" / "checkpoint_final.pth")
    declare_part_and_second_fold(folder / "model.toml")
    sum_up(folder)
    return folder


@pytest.mark.parametrize("configuration", ["2d", "3d_lowres"])
def test_regions_folds_and_any_configuration_run_as_in_nnunetv2(tmp_path: Path, configuration: str) -> None:
    package = ModelPackage.open(region_package(tmp_path / "package", configuration))
    rng = np.random.default_rng(9)
    volume = Volume(rng.normal(size=(9, 18, 20)).astype(np.float32), np.diag([5.0, 3.0, 4.0, 1.0])[[2, 1, 0, 3]], "1.2")
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    prediction = runtime.predict({"T1": volume})
    expected, probabilities = answer_of_nnunet(package.folder / "nnunet", write_images([volume], tmp_path), (0, 1))
    assert len(np.unique(expected)) > 1
    assert_same_labels(prediction.label_map, expected, probabilities, regions=True)
    assert all(value > 0.5 for value in prediction.confidence.values())


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_with_code_is_refused_and_the_code_does_not_run(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODELS / "t1-head-demo", tmp_path / "package"))
    checkpoint = folder / "nnunet" / "fold_0" / "checkpoint_final.pth"
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "logging": Payload(tmp_path / "ran")}, checkpoint)
    sum_up(folder)
    package = ModelPackage.open(folder)
    with pytest.raises(PackageError, match="could run code when it is loaded; refused"):
        runtime_for(package).load(package, "cpu")
    assert not (tmp_path / "ran").exists()


def test_plans_that_import_a_foreign_class_are_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODELS / "t1-head-demo", tmp_path / "package"))
    plans = folder / "nnunet" / "plans.json"
    plans.write_text(plans.read_text().replace("torch.nn.modules.conv.Conv3d", "antigravity.Conv3d"))
    sum_up(folder)
    package = ModelPackage.open(folder)
    with pytest.raises(PackageError, match=r"names 'antigravity\.Conv3d', which nnU-Net would import"):
        runtime_for(package).load(package, "cpu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 1\n", "value = 2\n", r"label: values \[2\] given, but the network has \[1\]"),
        ("folds = [0]", "folds = [1]", r"fold_1/checkpoint_final\.pth is used but not listed"),
        ("folds = [0]", 'folds = "all"', r"nnunet\.folds: must be a list"),
        ("step_size = 0.5", "step = 0.5", r"nnunet\.step: unknown; remove it"),
        ("step_size = 0.5", "step_size = 0", r"nnunet\.step_size: must be above 0"),
    ],
)
def test_a_package_that_does_not_fit_its_network_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = Path(shutil.copytree(MODELS / "t1-head-demo", tmp_path / "package"))
    manifest = folder / "model.toml"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    package = ModelPackage.open(folder)
    with pytest.raises(PackageError, match=message):
        runtime_for(package).load(package, "cpu")


def test_inputs_that_are_missing_or_on_another_grid_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    package = ModelPackage.open(MODELS / "brain-tumour-demo")
    runtime = runtime_for(package)
    with pytest.raises(RuntimeUnavailable, match="no model is loaded"):
        runtime.predict({})
    runtime.load(package, "auto")
    volume = Volume(np.zeros((4, 5, 6), dtype=np.float32), np.eye(4), "1.2")
    shifted = Volume(volume.array, np.diag([1.0, 1.0, 2.0, 1.0]), "1.2")
    with pytest.raises(SeriesMismatchError, match="needs T1, T1c, T2, FLAIR; missing: T2, FLAIR"):
        runtime.predict({"T1": volume, "T1c": volume})
    with pytest.raises(SeriesMismatchError, match="T2 is not on the grid of T1"):
        runtime.predict({"T1": volume, "T1c": volume, "T2": shifted, "FLAIR": volume})
    assert capfd.readouterr().out == ""
