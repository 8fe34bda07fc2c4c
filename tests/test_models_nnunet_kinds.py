"""Every kind of nnU-Net v2 result, of untrained networks that nnunetv2 builds: the labels are nnunetv2's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its documentation uses
import torch
from nnunetv2.ensembling.ensemble import ensemble_folders, merge_files
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from ainode_models.errors import PackageError
from ainode_models.nnunet.folder import NnunetFolder
from ainode_models.nnunet.torch_engine import TorchEngine
from ainode_models.volume import Volume
from peers.nnunet_results import (
    LABELS,
    REGIONS,
    assert_same_labels,
    loaded,
    nnunet_in_fp32,
    one,
    one_thread,
    package_of,
    plans_of,
    small_volume,
    write_result,
)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with one_thread(monkeypatch):
        yield


@pytest.fixture
def volume() -> Volume:
    return small_volume()


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
    with nnunet_in_fp32():
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


def softmax_in(folder: Path) -> NDArray[np.float32]:
    softmax: NDArray[np.float32] = np.load(folder / "case.npz")["probabilities"]
    return softmax


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
    softmax = softmax_in(tmp_path / "output")
    if "WithReorient" in plans["image_reader_writer"]:  # nnunetv2 turns back the labels only
        softmax = softmax[..., ::-1, ::-1]
    assert_same_labels(prediction.label_map, expected, softmax, regions=labels is REGIONS)
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
    assert_same_labels(prediction.label_map, expected, softmax_in(tmp_path / "second"))
    (tmp_path / "nothing").mkdir()
    blank = sitk.ReadImage(str(tmp_path / "first" / "case.nii.gz")) * 0
    sitk.WriteImage(blank, str(tmp_path / "nothing" / "case.nii.gz"))
    assert first.any()
    assert not np.array_equal(predict(full, images, tmp_path / "third", before=tmp_path / "nothing"), expected)


@pytest.mark.parametrize(("configuration", "labels"), [("2d", LABELS), ("3d_fullres", LABELS), ("3d_lowres", REGIONS)])
def test_what_runs_on_gpus_and_without_openvino_says_the_same(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch, configuration: str, labels: dict[str, Any]
) -> None:
    write_result(tmp_path / "net", configuration, folds=(0, 1), labels=labels)
    package = package_of(tmp_path, one("net", folds="[0, 1]"))
    expected = loaded(package).predict_probabilities({"T1": volume})

    def refused(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("an operation that OpenVINO does not know")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino, "convert_model", refused)
    runtime = loaded(package)
    assert runtime._loaded
    assert isinstance(runtime._loaded.networks[0].sliding.engine, TorchEngine)
    prediction = runtime.predict_probabilities({"T1": volume})
    assert prediction.probabilities is not None
    assert expected.probabilities is not None
    np.testing.assert_allclose(prediction.probabilities, expected.probabilities, atol=1e-3)
    assert np.mean(prediction.label_map == expected.label_map) > 0.999
    assert np.array_equal(runtime.predict({"T1": volume}).label_map, prediction.label_map)


def test_torch_looks_for_the_fastest_convolutions_for_windows_of_one_size(tmp_path: Path) -> None:
    net = write_result(tmp_path / "net", "3d_fullres")
    engine = TorchEngine(NnunetFolder(net, (0,), "checkpoint_final.pth", 0.5, mirroring=True, previous=None), "cpu")
    seen = []
    engine.networks[0].register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.benchmark))
    engine.run(torch.zeros((1, 1, 16, 16, 16)))
    assert seen == [True]
    assert not torch.backends.cudnn.benchmark


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
    softmax = softmax_in(tmp_path / "both")
    assert_same_labels(prediction.label_map, labels_in(tmp_path / "both"), softmax, regions=labels is REGIONS)
    assert prediction.probabilities is not None
    assert prediction.probabilities.dtype == np.float16
    np.testing.assert_allclose(prediction.probabilities, softmax[-2:], atol=1e-3)
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
