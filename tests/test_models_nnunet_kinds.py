"""Every kind of nnU-Net v2 result, of untrained networks that nnunetv2 builds: the labels are nnunetv2's own."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its documentation uses
import torch
from nnunetv2.ensembling.ensemble import ensemble_folders, merge_files
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from ainode_models.errors import PackageError
from ainode_models.memory import lacks_gpu_memory
from ainode_models.nnunet import WITHOUT_CONFIDENCE, NnunetRuntime
from ainode_models.nnunet_network import SPILLED
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


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """nnunetv2 takes eight threads for each array, which on two cores wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda _: None)
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def volume() -> Volume:
    rng = np.random.default_rng(9)
    return Volume(rng.normal(size=(12, 20, 22)).astype(np.float32), np.diag([5.0, 3.0, 4.0, 1.0])[[2, 1, 0, 3]], "1.2")


def write_case(volume: Volume, folder: Path) -> Path:
    """A folder with the image as nnUNetv2_predict takes it; the volume lies in canonical axes already."""
    folder.mkdir()
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing[::-1])  # type: ignore[no-untyped-call]
    sitk.WriteImage(image, str(folder / "case_0000.nii.gz"))
    return folder


def predict(
    result: Path, images: Path, output: Path, *, folds: tuple[int, ...] = (0,), before: Path | None = None
) -> NDArray[np.uint8]:
    """What nnunetv2 writes for the case; the softmax lies beside it."""
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(result), folds)
    output.mkdir()
    predictor.predict_from_files_sequential(
        [[str(images / "case_0000.nii.gz")]],  # for a folder it forks, which beside threads may never end
        str(output),
        save_probabilities=True,
        folder_with_segs_from_prev_stage=str(before) if before else None,
    )
    return labels_in(output)


def labels_in(folder: Path) -> NDArray[np.uint8]:
    labels: NDArray[np.uint8] = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "case.nii.gz")))
    return labels


def loaded(package: ModelPackage) -> NnunetRuntime:
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    assert isinstance(runtime, NnunetRuntime)
    return runtime


def one(folder: str, *, folds: str = "[0]", header: str = "[nnunet]") -> str:
    return f'{header}\nfolder = "{folder}"\nfolds = {folds}\nmirroring = false\n'


@pytest.mark.parametrize(
    ("configuration", "labels", "plans"),
    [
        ("2d", LABELS, plans_of()),
        ("3d_lowres", REGIONS, plans_of()),
        ("3d_fullres", LABELS, plans_of(residual=True)),
        ("3d_fullres", REGIONS, plans_of(residual=True, reader="SimpleITKIOWithReorient")),
    ],
)
def test_each_configuration_and_two_folds_of_it(
    tmp_path: Path, volume: Volume, configuration: str, labels: dict[str, Any], plans: dict[str, Any]
) -> None:
    result = write_result(tmp_path / "package" / "net", configuration, folds=(0, 1), labels=labels, plans=plans)
    prediction = loaded(package_of(tmp_path / "package", one("net", folds="[0, 1]"))).predict({"T1": volume})
    images = write_case(volume, tmp_path / "images")
    expected = predict(result, images, tmp_path / "output", folds=(0, 1))
    assert len(np.unique(expected)) > 1
    assert np.array_equal(prediction.label_map, expected)
    assert prediction.probabilities is None
    assert prediction.remarks == ()


def test_a_cascade_predicts_its_first_stage_and_goes_on_from_it(tmp_path: Path, volume: Volume) -> None:
    low = write_result(tmp_path / "package" / "low", "3d_lowres", folds=(0, 1))
    full = write_result(tmp_path / "package" / "cascade", "3d_cascade_fullres")
    table = one("cascade") + one("low", folds="[0, 1]", header="[nnunet.previous]")
    prediction = loaded(package_of(tmp_path / "package", table)).predict({"T1": volume})
    images = write_case(volume, tmp_path / "images")
    first = predict(low, images, tmp_path / "first", folds=(0, 1))
    expected = predict(full, images, tmp_path / "second", before=tmp_path / "first")
    assert np.array_equal(prediction.label_map, expected)
    (tmp_path / "nothing").mkdir()
    blank = sitk.ReadImage(str(tmp_path / "first" / "case.nii.gz")) * 0
    sitk.WriteImage(blank, str(tmp_path / "nothing" / "case.nii.gz"))
    assert first.any()
    assert not np.array_equal(predict(full, images, tmp_path / "third", before=tmp_path / "nothing"), expected)


@pytest.mark.parametrize("labels", [LABELS, REGIONS])
def test_an_ensemble_of_configurations_averages_their_softmax_which_is_kept_on_request(
    tmp_path: Path, volume: Volume, labels: dict[str, Any]
) -> None:
    flat = write_result(tmp_path / "package" / "flat", "2d", labels=labels)
    full = write_result(tmp_path / "package" / "full", "3d_fullres", folds=(0, 1), labels=labels)
    header = "[[nnunet.member]]"
    table = one("flat", header=header) + one("full", folds="[0, 1]", header=header)
    prediction = loaded(package_of(tmp_path / "package", table)).predict_probabilities({"T1": volume})
    images = write_case(volume, tmp_path / "images")
    predict(flat, images, tmp_path / "first")
    predict(full, images, tmp_path / "second", folds=(0, 1))
    ensemble(tmp_path / "first", tmp_path / "second", tmp_path / "both")
    assert np.array_equal(prediction.label_map, labels_in(tmp_path / "both"))
    softmax = np.load(tmp_path / "both" / "case.npz")["probabilities"]
    assert prediction.probabilities is not None
    assert prediction.probabilities.dtype == np.float16
    np.testing.assert_array_equal(prediction.probabilities, softmax[-2:].astype(np.float16))
    assert set(prediction.confidence) == set(np.unique(prediction.label_map).tolist()) - {0}


def ensemble(first: Path, second: Path, output: Path) -> None:
    """``nnUNetv2_ensemble``, but in this process: its pool would import torch once more."""
    output.mkdir()
    plans = PlansManager(str(first / "plans.json"))
    dataset = json.loads((first / "dataset.json").read_text())
    assert ensemble_folders.__module__ == merge_files.__module__
    merge_files(
        [str(first / "case.npz"), str(second / "case.npz")],
        str(output / "case"),
        ".nii.gz",
        plans.image_reader_writer_class(),
        plans.get_label_manager(dataset),
        save_probabilities=True,
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (one("cascade"), r"3d_cascade_fullres follows 3d_lowres, not none; name the folder of 3d_lowres"),
        (one("cascade") + one("full", header="[nnunet.previous]"), r"follows 3d_lowres, not 3d_fullres"),
        (one("full") + one("cascade", header="[nnunet.previous]"), r"follows 3d_lowres, not none"),
        (
            one("low") + one("full", header="[nnunet.previous]"),
            r"3d_lowres follows no other stage, not 3d_fullres; remove",
        ),
        ('[nnunet]\nfolder = "low"\n' + one("low", header="[[nnunet.member]]"), r"nnunet\.folder: unknown; remove it"),
        (one("low", header="[[nnunet.member]]") + 'fold = "1"\n', r"nnunet\.member\[0\]\.fold: unknown"),
        (
            one("low", header="[[nnunet.member]]") + one("other", header="[[nnunet.member]]"),
            r"other/dataset\.json: labels: is not that of low",
        ),
        (one("pictures"), r"image_reader_writer: 'NaturalImage2DIO' reads no volumes"),
    ],
)
def test_stages_and_members_that_do_not_belong_together_are_refused(tmp_path: Path, table: str, message: str) -> None:
    for folder, configuration in (("low", "3d_lowres"), ("full", "3d_fullres"), ("cascade", "3d_cascade_fullres")):
        write_result(tmp_path / folder, configuration)
    write_result(tmp_path / "other", "3d_lowres", labels=REGIONS)
    write_result(tmp_path / "pictures", "2d", plans=plans_of(reader="NaturalImage2DIO"))
    with pytest.raises(PackageError, match=message):
        loaded(package_of(tmp_path, table))


class Greedy(torch.nn.Module):
    """A network that runs out of memory, the given times, with an error such as torch raises."""

    def __init__(self, network: torch.nn.Module, errors: list[Exception]) -> None:
        super().__init__()
        self.network = network
        self.errors = errors

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The network's answer, unless an error is left."""
        if self.errors:
            raise self.errors.pop()
        answer: torch.Tensor = self.network(image)
        return answer

    def load_state_dict(self, *arguments: Any, **more: Any) -> Any:
        """The weights of a fold."""
        return self.network.load_state_dict(*arguments, **more)


def real_host_error() -> Exception:
    """What torch's allocator says."""
    with pytest.raises(RuntimeError, match="can't allocate memory") as error:
        torch.empty(1 << 60)
    return error.value


@pytest.mark.parametrize(
    ("make_error", "remark"),
    [(lambda: torch.OutOfMemoryError("CUDA out of memory."), SPILLED), (real_host_error, WITHOUT_CONFIDENCE)],
)
def test_what_lacks_memory_is_done_with_less_of_it_and_says_so(
    tmp_path: Path, volume: Volume, make_error: Callable[[], Exception], remark: str
) -> None:
    write_result(tmp_path / "net", "3d_fullres")
    runtime = loaded(package_of(tmp_path, one("net")))
    expected = runtime.predict({"T1": volume})
    assert runtime._loaded
    predictor = runtime._loaded.networks[0].predictor
    error = make_error()
    predictor.network = Greedy(predictor.network, [error])
    predictor.perform_everything_on_device = lacks_gpu_memory(error)  # as on a GPU, which this machine may lack
    prediction = runtime.predict({"T1": volume})
    assert prediction.remarks == (remark,)
    assert np.array_equal(prediction.label_map, expected.label_map)
    assert bool(prediction.confidence) is (remark == SPILLED)
    assert runtime.predict({"T1": volume}).remarks == (), "the next answer is as it was asked for"
    predictor.network.errors = [error, error]
    with pytest.raises(type(error)):
        runtime.predict({"T1": volume})
