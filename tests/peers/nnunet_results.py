"""Result folders of untrained nnU-Nets of every kind, as nnUNetv2_train leaves them, and packages of them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from ainode_models.nnunet.runtime import NnunetRuntime
from ainode_models.package import ModelPackage
from ainode_models.runtime import runtime_for
from ainode_models.volume import Volume
from peers.shared_data import ROOT

DEMO = ROOT / "models" / "t1-head-demo"
LABELS = {"background": 0, "head": 1, "part": 2}
REGIONS = {"background": 0, "all": [1, 2], "part": 2}
CONFIGURATIONS: Mapping[str, dict[str, Any]] = {
    "2d": {"spacing": [4.0, 4.0]},
    "3d_lowres": {"spacing": [6.0, 6.0, 6.0], "next_stage": "3d_cascade_fullres"},
    "3d_fullres": {"spacing": [3.0, 3.5, 3.5]},
    "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
}
RESIDUAL = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"


def architecture(base: Mapping[str, Any], dimensions: int, *, residual: bool) -> dict[str, Any]:
    """A small network of two stages in the words of the plans."""
    arguments = {
        **base["arch_kwargs"],
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "kernel_sizes": [[3] * dimensions] * 2,
        "strides": [[1] * dimensions, [2] * dimensions],
        "n_conv_per_stage_decoder": [1],
    }
    del arguments["n_conv_per_stage"]
    if residual:
        return {**base, "network_class_name": RESIDUAL, "arch_kwargs": {**arguments, "n_blocks_per_stage": [1, 2]}}
    return {**base, "arch_kwargs": {**arguments, "n_conv_per_stage": [1, 1]}}


def plans_of(*, residual: bool = False, reader: str = "SimpleITKIO") -> dict[str, Any]:
    """Plans with all four configurations of nnU-Net."""
    plans = json.loads((DEMO / "nnunet" / "plans.json").read_text())
    base = plans["configurations"]["3d_fullres"]
    made = {}
    for name, own in CONFIGURATIONS.items():
        made[name] = dict(own)
        if "inherits_from" not in own:
            dimensions = len(own["spacing"])
            network = architecture(base["architecture"], dimensions, residual=residual)
            made[name] = {**base, **own, "patch_size": [16] * dimensions, "architecture": network}
    plans["plans_name"] = "nnUNetResEncUNetMPlans" if residual else "nnUNetPlans"
    return {**plans, "configurations": made, "image_reader_writer": reader}


def write_result(
    folder: Path,
    configuration: str,
    *,
    folds: tuple[int, ...] = (0,),
    labels: Mapping[str, Any] = LABELS,
    plans: dict[str, Any] | None = None,
) -> Path:
    """A result folder as nnUNetv2_train leaves it, with weights from a seed."""
    plans = plans or plans_of()
    folder.mkdir(parents=True)
    dataset = {"channel_names": {"0": "T1"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    if labels is REGIONS:
        dataset["regions_class_order"] = [1, 2]
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    manager = PlansManager(plans)
    settings = manager.get_configuration(configuration)
    for fold in folds:
        torch.manual_seed(31 * fold + len(configuration))
        network = get_network_from_plans(
            settings.network_arch_class_name,
            settings.network_arch_init_kwargs,
            settings.network_arch_init_kwargs_req_import,
            determine_num_input_channels(manager, settings, dataset),
            manager.get_label_manager(dataset).num_segmentation_heads,
            deep_supervision=False,
        )
        (folder / f"fold_{fold}").mkdir()
        checkpoint = {
            "network_weights": network.state_dict(),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": configuration},
            "inference_allowed_mirroring_axes": None,
        }
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def package_of(folder: Path, table: str) -> ModelPackage:
    """A package of all result folders below ``folder``, with ``table`` as the end of its manifest."""
    text = (DEMO / "model.toml").read_text().partition("[nnunet]")[0]
    head, _, rest = text.partition("[[weights]]")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sums = {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    weights = "".join(f'[[weights]]\npath = "{path}"\nsha256 = "{digest}"\n\n' for path, digest in sums.items())
    label = rest[rest.index("[[label]]") :]
    second = label.replace("value = 1", "value = 2").replace('name = "Head"', 'name = "Part"')
    (folder / "model.toml").write_text(head + weights + rest[rest.index("[[input]]") :] + second + "\n" + table)
    return ModelPackage.open(folder)


def loaded(package: ModelPackage) -> NnunetRuntime:
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    assert isinstance(runtime, NnunetRuntime)
    return runtime


def one(folder: str, *, folds: str = "[0]", header: str = "[nnunet]") -> str:
    return f'{header}\nfolder = "{folder}"\nfolds = {folds}\nmirroring = false\n'


@contextmanager
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """nnunetv2 takes eight threads for each array, which on two cores wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda _: None)
        yield
    torch.set_num_threads(threads)


@contextmanager
def nnunet_in_fp32() -> Iterator[None]:
    """Let nnunetv2 sum up windows in fp32.

    It does so in fp16, with weights that in a window's corners are near the smallest number there is: what it says at
    the corners of an image is off by up to a fifth in probability.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "half", torch.float32)
        yield


def assert_same_labels(
    found: NDArray[Any], expected: NDArray[Any], probabilities: NDArray[Any], *, regions: bool = False
) -> None:
    """The labels are nnunetv2's wherever its own ``probabilities`` are not as good as equal."""
    if regions:
        margin = np.abs(probabilities - 0.5).min(axis=0)
    else:
        second, first = np.sort(probabilities, axis=0)[-2:]
        margin = first - second
    clear = margin > 2e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear], expected[clear])


def small_volume() -> Volume:
    """Noise with unequal voxels, 12 slices of 20 x 22."""
    rng = np.random.default_rng(9)
    return Volume(rng.normal(size=(12, 20, 22)).astype(np.float32), np.diag([5.0, 3.0, 4.0, 1.0])[[2, 1, 0, 3]], "1.2")
