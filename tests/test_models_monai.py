"""MONAI bundles become packages that answer as plain MONAI does, and nothing of them is executed."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ainode.cli.models import app
from ainode.run.volume_file import load_prediction, save_volumes
from ainode.run.workers import ModelWorkers
from ainode_models.errors import PackageError, RuntimeUnavailable
from ainode_models.memory import SPILLED
from ainode_models.monai.bundle import MonaiBundle, unpacked
from ainode_models.monai.config import Component, Config
from ainode_models.monai.pipeline import Pipeline
from ainode_models.monai.runtime import MonaiRuntime
from ainode_models.package import ModelPackage
from ainode_models.package_check import check_package
from ainode_models.package_draft import template_text, with_label_codes
from ainode_models.prediction import Prediction
from ainode_models.registry import Registry
from ainode_models.runtime import runtime_for
from peers.monai_edits import Edit, after, before, change, described, network, without
from peers.monai_volumes import OUTERMOST_FIRST, plain_answer, volumes
from peers.packages import edit, reseal

CODES = "SCT:49755003,SCT:6574001,SCT:12738006"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What plain MONAI wrote and answered (`peers.plain_monai`)."""
    folder = tmp_path_factory.mktemp("plain-monai")
    with warnings.catch_warnings(action="ignore"):
        from peers.plain_monai import write_all
    write_all(folder)
    return folder


@pytest.fixture
def bundle(plain: Path, tmp_path: Path) -> Path:
    """A bundle that a test may change."""
    return Path(shutil.copytree(plain / "softmax", tmp_path / "bundle"))


def imported(bundle: Path, folder: Path) -> ModelPackage:
    """The package of a bundle, with codes and the order of regions that people would give."""
    facts = MonaiBundle(bundle).draft()
    for label in facts["label"]:
        facts = with_label_codes(facts, str(label["value"]), CODES)
    MonaiBundle(bundle).write({**facts, **({"regions": OUTERMOST_FIRST} if "regions" in facts else {})}, folder)
    return ModelPackage.open(folder)


def ask(package: ModelPackage, bundle: Path) -> Prediction:
    """What the package says of the bundle's images, with probabilities."""
    runtime = MonaiRuntime()
    runtime.load(package, "cpu")
    return runtime.predict_probabilities(volumes(bundle))


@pytest.mark.parametrize("name", ["softmax", "nearest", "regions"])
def test_every_voxel_gets_the_label_of_plain_monai(plain: Path, tmp_path: Path, name: str) -> None:
    package = imported(plain / name, tmp_path / "package")
    prediction = ask(package, plain / name)
    expected = plain_answer(plain / name)
    assert len(np.unique(expected)) > 2
    np.testing.assert_array_equal(prediction.label_map, expected)
    probabilities = prediction.probabilities
    assert probabilities is not None
    assert probabilities.shape == (len(package.manifest.labels), *expected.shape)
    for row, label in enumerate(package.manifest.labels):
        own = prediction.label_map == label.value
        assert own.any() == (label.value in prediction.confidence)
        if own.any():
            mean = float(probabilities[row][own].mean(dtype=np.float64))
            assert prediction.confidence[label.value] == pytest.approx(mean, abs=2e-2 if name == "nearest" else 1e-3)


def test_an_answer_that_the_gpu_cannot_hold_is_put_together_in_the_machines_memory(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ainode_models.monai import loaded

    runtime, make, batches = MonaiRuntime(), loaded._inferer, list[int]()
    runtime.load(imported(plain / "softmax", tmp_path / "package"), "cpu")

    def scarce(made_with: Component, *, device: torch.device, stitched: torch.device) -> Any:
        batches.append(made_with.arguments["sw_batch_size"])
        if len(batches) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return make(made_with, device=device, stitched=stitched)

    monkeypatch.setattr(loaded, "_inferer", scarce)
    prediction = runtime.predict(volumes(plain / "softmax"))
    assert (batches, prediction.remarks, prediction.probabilities) == ([4, 1], (SPILLED,), None)
    np.testing.assert_array_equal(prediction.label_map, plain_answer(plain / "softmax"))


def test_a_zipped_bundle_is_imported_by_one_command_and_runs_in_the_models_process(
    plain: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check runs in this process, where MONAI is loaded: that it has one of its own is tested with nnU-Net."""
    monkeypatch.setattr(
        "ainode.cli.models_import.check_apart", lambda folder, device: check_package(ModelPackage.open(folder), device)
    )
    zipped = tmp_path / "bundle.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for path in sorted(bundle.rglob("*")):
            archive.write(path, f"spleen/{path.relative_to(bundle)}")
    settings = tmp_path / "ainode.toml"
    settings.write_text('[models]\nfolder = "models"\ndevice = "cpu"\n')
    words = ["import", str(zipped), "--settings", str(settings), "--as", "random@1.0.0"]
    lacking = CliRunner().invoke(app, words)
    assert isinstance(lacking.exception, PackageError)
    assert f"{zipped}: nobody has said label[0].category, label[0].type" in str(lacking.exception)
    done = CliRunner().invoke(app, [*words, f"--label=1={CODES}", f"--label=2={CODES}"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "random@1.0.0 is sound" in done.output
    package = Registry(tmp_path / "models").get("random@1.0.0")
    assert [(each.name, each.modality) for each in package.manifest.inputs] == [("T1", "MR"), ("T2", "MR")]
    assert [(each.value, each.name) for each in package.manifest.labels] == [(1, "inner part"), (2, "outer part")]
    assert (package.manifest.title, package.manifest.manufacturer) == ("Random softmax (test)", "Nobody & sons")
    save_volumes(tmp_path / "inputs.npz", volumes(bundle))
    worker = ModelWorkers(device="cpu", timeout=240)
    try:
        worker.predict(package, tmp_path / "inputs.npz", tmp_path / "output.npz")
    finally:
        worker.stop()
    prediction = load_prediction(tmp_path / "output.npz")
    np.testing.assert_array_equal(prediction.label_map, plain_answer(plain / "softmax"))


def test_what_a_package_keeps_of_a_configuration_is_plain_and_says_the_same(plain: Path, tmp_path: Path) -> None:
    for name in ("softmax", "nearest", "regions"):
        package = imported(plain / name, tmp_path / name)
        file = package.folder / "monai" / "inference.json"
        text = file.read_text()
        assert "$" not in text
        assert set(json.loads(text)) == {"network_def", "preprocessing", "inferer", "postprocessing"}
        assert Pipeline.of(Config.read(file)).as_config() == json.loads(text)


def test_the_order_of_regions_is_asked_for(plain: Path, tmp_path: Path) -> None:
    draft = MonaiBundle(plain / "regions").draft()
    assert [(each["value"], each["name"]) for each in draft["label"]] == [(1, "core"), (2, "whole"), (3, "rim")]
    assert '\nregions = ""\n' in template_text(draft)
    with pytest.raises(PackageError, match="nobody has said regions, label"):
        MonaiBundle(plain / "regions").write(draft, tmp_path / "package")


def test_expressions_of_a_bundle_do_not_run(plain: Path) -> None:
    """Plain MONAI does run them: `peers.plain_monai` has seen it."""
    with pytest.raises(PackageError, match=r"network_def: is the expression .*__import__.*, which is not run; write"):
        MonaiBundle(plain / "evil").draft()
    assert not (plain / "mark").exists()


def multiplied(content: dict[str, Any]) -> None:
    """References that make a million values of a hundred."""
    content.update(first=["@second"] * 32, second=["@third"] * 32, third=["@fourth"] * 32, fourth=[0] * 32)
    content["network_def"]["norm"] = "@first"


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (
            network(_target_="os.system"),
            r"network_def\._target_: 'os\.system' is not run; of monai\.networks\.nets there",
        ),
        (network(_target_="evil.UNet"), r"'evil\.UNet' is not run"),
        (network(_target_="monai.networks.nets.FlexibleUNet"), r"'monai\.networks\.nets\.FlexibleUNet' is not run"),
        (network(_target_="$UNet"), r"network_def\._target_: is the expression"),
        (
            network(channels="$[4, 8, 16]"),
            r"network_def\.channels: is the expression '\$\[4, 8, 16\]', which is not run",
        ),
        (network(act={"_target_": "torch.nn.ReLU"}), r"network_def\.act: makes an object of 'torch\.nn\.ReLU'"),
        (network(norm="%other.json#norm"), r"network_def\.norm: is the macro"),
        (network(norm="@nothing#there"), r"network_def\.norm: refers to '@nothing#there', which is not there"),
        (network(norm="@a b"), r"is no name of MONAI's form"),
        (network(norm="@network_def::norm"), r"network_def\.norm: refers to itself"),
        (network(norm=["@network_def::norm"]), r"is too deep or too large, or refers to itself"),
        (multiplied, r"network_def\.norm\S+: is too deep or too large"),
        (network(_requires_="$print()"), r"network_def: has _requires_ or _mode_"),
        (before("Spacingd", pixdim="$[1] * 3"), r"preprocessing\.transforms\[3\]\.pixdim: is the expression"),
        (
            before("Spacingd", _target_="Lambdad", func="$print"),
            r"\[3\]\._target_: 'Lambdad' is not run; of monai\.tran",
        ),
        (
            before("Spacingd", _target_="RandFlipd"),
            r"'RandFlipd' is not run; .* Remove it if the answer does not depend",
        ),
        (before("Spacingd", dtype="float32"), r"transforms\[3\]\.dtype: is not known"),
        (before("Spacingd", keys=["image", "label"]), r"transforms\[3\]\.keys: must be 'image' alone"),
        (before("Spacingd", lazy=True), r"transforms\[3\]\.lazy: must be False, not True"),
        (before("EnsureTyped", dtype="$exit()"), r"\.dtype: must be 'float32', not '\$exit\(\)'"),
        (before("Orientationd", axcodes="RAF"), r"axcodes: must be three letters such as RAS, not 'RAF'"),
        (
            without("preprocessing", "Orientationd"),
            r"preprocessing: must have one Orientationd, before everything else",
        ),
        (before("Orientationd", _disabled_="$True"), r"_disabled_: is the expression"),
        (without("postprocessing", "Invertd"), r"must have Activationsd, AsDiscreted, Invertd once each"),
        (after("Invertd", transform="$copy.deepcopy(@preprocessing)"), r"transform: must be '@preprocessing', not"),
        (after("AsDiscreted", argmax=False, threshold=0.5), r"must be softmax with argmax, or sigmoid with a number"),
        (after("AsDiscreted", to_onehot=3), r"to_onehot: is not known here"),
        (lambda content: content.pop("inferer"), r"inferer: missing"),
        (
            lambda content: content["inferer"].update(_target_="SimpleInferer"),
            r"inferer\._target_: 'SimpleInferer' is not",
        ),
        (
            lambda content: content["inferer"].update(roi_size=[96, 96]),
            r"inferer\.roi_size: must be three whole numbers",
        ),
        (lambda content: content.update(preprocessing="$x"), r"preprocessing: is the expression"),
        (
            lambda content: content["preprocessing"].update(map_items=False),
            r"preprocessing\.map_items: is not followed",
        ),
    ],
)
def test_whatever_is_not_known_is_refused_by_its_key(bundle: Path, edited: Edit, message: str) -> None:
    change(bundle, "inference", edited)
    with pytest.raises(PackageError, match=rf"inference\.json: .*{message}"):
        MonaiBundle(bundle).draft()


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (described("outputs", "pred", channel_def={}), r"outputs\.pred\.channel_def: must name each of the 3 channels"),
        (
            described("outputs", "pred", channel_def={"0": "background", "2": "x"}),
            r"outputs\.pred\.channel_def: .* but names 0, 2\. Complete it",
        ),
        (described("inputs", "image", num_channels=4), r"inputs\.image\.channel_def: must name each of the 4 channels"),
        (lambda content: content["network_data_format"]["inputs"].update(more={}), r"inputs: must describe one, not 2"),
        (lambda content: content.pop("network_data_format"), r"network_data_format: missing"),
    ],
)
def test_channels_and_labels_that_nobody_named_are_asked_for(bundle: Path, edited: Edit, message: str) -> None:
    change(bundle, "metadata", edited)
    with pytest.raises(
        PackageError, match=rf"metadata\.json: network_data_format\.?{message}" if "." in message else message
    ):
        MonaiBundle(bundle).draft()


class Code:
    """Unpickled, it ends the process."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return os.abort, ()


def script(file: Path) -> None:
    """TorchScript, as its archives look from outside."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/constants.pkl", b"")
        archive.writestr("model/code/__torch__.py", b"")


def test_programs_in_place_of_weights_are_refused(bundle: Path, tmp_path: Path) -> None:
    weights = bundle / "models" / "model.pt"
    script(weights)
    with pytest.raises(PackageError, match=r"model\.pt: is TorchScript, a program, .*torch\.save\(network\.state_dict"):
        MonaiBundle(bundle).draft()
    weights.rename(weights.with_suffix(".ts"))
    with pytest.raises(PackageError, match=r"model\.ts: is TorchScript"):
        MonaiBundle(bundle).draft()
    with pytest.raises(PackageError, match=r"model\.ts: is TorchScript"):
        MonaiBundle(bundle, "model.ts").draft()
    weights.with_suffix(".ts").unlink()
    with pytest.raises(PackageError, match=r"holds no models/model\.pt; name the file in models with --checkpoint"):
        MonaiBundle(bundle).draft()


def test_nothing_outside_a_bundle_is_read(bundle: Path, tmp_path: Path) -> None:
    weights = bundle / "models" / "model.pt"
    outside = Path(shutil.move(weights, tmp_path / "outside.pt"))
    with pytest.raises(PackageError, match=r"leads outside the bundle; put a copy of the file there"):
        MonaiBundle(bundle, "../../outside.pt").draft()
    weights.symlink_to(outside)
    with pytest.raises(PackageError, match=r"model\.pt: leads outside the bundle"):
        MonaiBundle(bundle).draft()
    zipped = tmp_path / "bundle.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("configs/metadata.json", "{}")
        archive.writestr("../models/model.pt", "")
    with pytest.raises(PackageError, match=r"'\.\./models/model\.pt' leads outside"), unpacked(zipped):
        pass


def resealed(package: ModelPackage, path: str) -> ModelPackage:
    reseal(package.folder, path)
    return ModelPackage.open(package.folder)


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (network(channels=[4, 8, 12]), r"are not the weights of network_def .*size mismatch"),
        (
            network(out_channels=4),
            r"network_def\.out_channels: is 4, but must be 3; describe each channel but the back",
        ),
        (
            network(in_channels=1),
            r"network_def\.in_channels: is 1, but must be 2; describe each channel as one \[\[input",
        ),
        (network(spatial_dims=2), r"network_def\.spatial_dims: is 2, but must be 3"),
        (network(colour="red"), r"MONAI 1\.\S+ makes no UNet of it: .*unexpected keyword argument 'colour'"),
        (network(norm="nothing"), r"makes no UNet of it"),
        (
            lambda content: content["inferer"].update(roi_size=[30, 30, 30]),
            r"roi_size: the network cannot take windows of",
        ),
        (lambda content: content["inferer"].update(mode="wrong"), r"inferer: MONAI does not take its arguments"),
        (before("NormalizeIntensityd", _target_="ScaleIntensityRanged", nonzero=1), r"\.nonzero: is not known here"),
        (before("Spacingd", pixdim=[-1, "x"]), r"Spacingd: MONAI does not take its arguments|could not convert"),
    ],
)
def test_a_package_whose_parts_do_not_fit_is_refused(bundle: Path, tmp_path: Path, edited: Edit, message: str) -> None:
    package = imported(bundle, tmp_path / "package")
    file = package.folder / "monai" / "inference.json"
    content = json.loads(file.read_text())
    edited(content)
    file.write_text(json.dumps(content))
    with pytest.raises(PackageError, match=message):
        MonaiRuntime().load(resealed(package, "monai/inference.json"), "cpu")


def test_weights_that_hold_code_are_refused_and_it_does_not_run(bundle: Path, tmp_path: Path) -> None:
    package = imported(bundle, tmp_path / "package")
    torch.save({"weight": Code()}, package.folder / "monai" / "model.pt")
    with pytest.raises(PackageError, match=r"which could run code when it is loaded; refused"):
        MonaiRuntime().load(resealed(package, "monai/model.pt"), "cpu")
    (package.folder / "monai" / "model.pt").write_bytes(pickle.dumps(Code(), protocol=2))
    with pytest.raises(PackageError, match=r"which could run code when it is loaded; refused"):
        MonaiRuntime().load(resealed(package, "monai/model.pt"), "cpu")


def test_the_table_of_the_manifest_is_read_strictly(plain: Path, tmp_path: Path) -> None:
    package = imported(plain / "regions", tmp_path / "package")
    edit(package.folder, "regions = [2, 1, 3]", "regions = [2, 1]")
    with pytest.raises(
        PackageError, match=r"monai\.regions: must be the values of \[\[label\]\], \[1, 2, 3\], each once"
    ):
        MonaiRuntime().load(ModelPackage.open(package.folder), "cpu")
    edit(package.folder, "regions = [2, 1]\n", "")
    with pytest.raises(PackageError, match=r"monai\.regions: the network's labels may overlap; add the values"):
        MonaiRuntime().load(ModelPackage.open(package.folder), "cpu")
    edit(package.folder, 'config = "monai/inference.json"', 'config = "../inference.json"')
    with pytest.raises(PackageError, match=r"monai\.config: \.\./inference\.json is not listed in \[\[weights\]\]"):
        MonaiRuntime().load(ModelPackage.open(package.folder), "cpu")


def test_monai_is_imported_for_a_model_and_not_before() -> None:
    code = (
        "import ainode_models.runtime, ainode_models.monai.runtime, ainode_models.monai.bundle, sys\n"
        "assert ainode_models.runtime.runtimes()['monai']().is_available() is None\n"
        "print({'monai', 'torch', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


def test_without_monai_it_is_said_what_to_install(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = imported(plain / "softmax", tmp_path / "package")
    monkeypatch.setattr("ainode_models.monai.runtime.find_spec", lambda name: None if name == "monai" else object())
    with pytest.raises(RuntimeUnavailable, match=r"monai not installed; install ainode\[cpu,monai\]"):
        runtime_for(package)
