"""A bare result folder of nnU-Net becomes a package; what nobody can know from it is asked for, all at once."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ainode.cli.models import app
from ainode_models.errors import PackageError
from ainode_models.manifest import Manifest
from ainode_models.nnunet.result import NnunetResult
from ainode_models.package_draft import read_about, template_text, with_label_codes
from ainode_models.registry import Registry
from peers.packages import MODELS

CODES = {"1": "SCT:49755003,SCT:6574001,SCT:12738006", "2": "SCT:49755003,SCT:79654002,SCT:12738006"}
ENHANCING = "SCT:49755003,NCIt:C113842:Enhancing Lesion,SCT:12738006"


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """What nnU-Net's trainer leaves: the files of the demonstration, in a folder of nnU-Net's name."""
    folder = tmp_path / "Dataset901_brain" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    shutil.copytree(MODELS / "brain-tumour-demo" / "nnunet", folder)
    (folder / "fold_0" / "progress.png").touch()
    return folder


def run(tmp_path: Path, *words: str) -> Result:
    settings = tmp_path / "ainode.toml"
    settings.write_text('[models]\nfolder = "models"\ndevice = "cpu"\n')
    return CliRunner().invoke(app, [*words, "--settings", str(settings)])


def test_a_folder_becomes_a_package_that_is_checked_and_installed(result: Path, tmp_path: Path) -> None:
    labels = [f"--label={value}={codes}" for value, codes in {**CODES, "3": ENHANCING}.items()]
    done = run(tmp_path, "import", str(result), "--as", "glioma@2.1.0", "--modality", "MR", *labels)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "glioma@2.1.0 is sound (loaded in" in done.output
    assert "glioma@2.1.0 added" in done.output
    package = Registry(tmp_path / "models").get("glioma@2.1.0")
    package.verify()
    demo = Manifest.read(MODELS / "brain-tumour-demo" / "model.toml")
    manifest = package.manifest
    assert [each.name for each in manifest.inputs] == [each.name for each in demo.inputs]
    assert [(each.value, each.category, each.type, each.anatomy) for each in manifest.labels] == [
        (each.value, each.category, each.type, each.anatomy) for each in demo.labels
    ]
    assert {each.sha256 for each in manifest.weights} == {each.sha256 for each in demo.weights}
    assert "no diagnostic" in manifest.disclaimer.lower() or "not for diagnostic" in manifest.disclaimer.lower()
    assert not list(package.folder.rglob("progress.png"))


def test_everything_that_lacks_is_listed_at_once_and_nothing_is_installed(result: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "import", str(result), "--label", f"1={CODES['1']}")
    assert isinstance(done.exception, PackageError)
    message = str(done.exception)
    for place in ("name", "version", "input[3].modality", "label[1].category", "label[1].type", "label[2].anatomy"):
        assert place in message
    assert "label[0]" not in message
    assert "--template FILE" in message
    assert Registry(tmp_path / "models").packages() == ()


def test_the_template_can_be_filled_in_and_given_back(result: Path, tmp_path: Path) -> None:
    form = tmp_path / "about.toml"
    assert run(tmp_path, "import", str(result), "--as", "glioma@1.0.0", "--template", str(form)).exit_code == 0
    again = run(tmp_path, "import", str(result), "--template", str(form))
    assert "is there already" in str(again.exception)
    about = tomllib.loads(form.read_text())
    assert about["name"] == "glioma"
    assert [label["name"] for label in about["label"]] == ["necrosis", "oedema", "enhancing"]
    assert about["label"][0]["type"] == {"value": "", "scheme": "SCT", "meaning": ""}
    filled = dict(about)
    for value, codes in {**CODES, "3": ENHANCING}.items():
        filled = with_label_codes(filled, value, codes)
    for entry in filled["input"]:
        entry["modality"] = "MR"
    filled["intended_use"] = 'Says "quoted" words,\nwith ünïcode.'
    form.write_text(template_text(filled))
    assert read_about(form) == filled
    folder = tmp_path / "made"
    folder.mkdir()
    NnunetResult(result).write({**NnunetResult(result).draft(), **read_about(form)}, folder)
    assert Manifest.read(folder / "model.toml").intended_use == filled["intended_use"]


@pytest.mark.parametrize(
    ("value", "codes", "message"),
    [
        ("1", "SCT:49755003", "needs three codes, of category, type and anatomy"),
        ("9", CODES["1"], r"the network has no such label; it has 1, 2, 3"),
        (
            "1",
            "SCT:49755003,SCT:1,SCT:12738006",
            r"'SCT:1': DICOM's dictionaries have no such code; write SCHEME:VALUE:M",
        ),
    ],
)
def test_codes_that_cannot_be_meant_are_refused(result: Path, value: str, codes: str, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        with_label_codes(NnunetResult(result).draft(), value, codes)


def test_regions_get_the_values_that_nnunet_writes_for_them(result: Path) -> None:
    change(result, {"labels": {"background": 0, "whole": [1, 2, 3], "core": [1, 3], "enhancing": 3}})
    change(result, {"regions_class_order": [2, 1, 3], "channel_names": {"0": "CT", "1": "T2 (fat sat)"}})
    draft = NnunetResult(result).draft()
    assert [(label["value"], label["name"]) for label in draft["label"]] == [
        (1, "core"),
        (2, "whole"),
        (3, "enhancing"),
    ]
    assert [(each["name"], each["modality"]) for each in draft["input"]] == [("CT", "CT"), ("T2-fat-sat", "")]


def test_the_folds_are_those_with_the_checkpoint(result: Path) -> None:
    shutil.copytree(result / "fold_0", result / "fold_3")
    (result / "fold_1").mkdir()
    assert NnunetResult(result).folds() == (0, 3)
    assert NnunetResult(result, "checkpoint_final.pth").folds() == (0, 3)
    with pytest.raises(PackageError, match=r"no fold_\* holds checkpoint_best\.pth"):
        NnunetResult(result, "checkpoint_best.pth").folds()
    (result / "fold_0").rename(result / "fold_all")
    shutil.rmtree(result / "fold_3")
    assert NnunetResult(result).folds() == ("all",)


def test_what_is_no_result_folder_is_refused(result: Path) -> None:
    with pytest.raises(PackageError, match=r"holds no plans\.json, so it is no result folder of nnU-Net v2"):
        NnunetResult(result.parent).draft()
    change(result, {"labels": [1]})
    with pytest.raises(PackageError, match=r"dataset\.json: labels is no table"):
        NnunetResult(result).draft()
    (result / "dataset.json").write_text("{")
    with pytest.raises(PackageError, match=r"dataset\.json: cannot be read as JSON"):
        NnunetResult(result).draft()


def change(result: Path, entries: dict[str, Any]) -> None:
    file = result / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))
