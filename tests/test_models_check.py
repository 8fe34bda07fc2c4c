"""``ainode models check`` refuses what would mislead a reader, and says what to change; it runs a package's sample."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ainode_models.check_process import check_apart
from ainode_models.errors import PackageError
from ainode_models.findings import Code
from ainode_models.manifest import Manifest
from ainode_models.package import ModelPackage
from ainode_models.package_check import check_package
from ainode_models.terminology import check_codes, known_code
from peers.packages import MODELS, copy_demo, edit, reseal

DEMOS = ("brain-tumour-demo", "t1-head-demo", "brain-tumour-keras-demo", "chest-xray-demo")
"""All that are shipped."""
CHECKPOINT = "nnunet/fold_0/checkpoint_final.pth"


@pytest.fixture
def head(tmp_path: Path) -> Path:
    return copy_demo("t1-head-demo", tmp_path / "head")


@pytest.fixture
def brain(tmp_path: Path) -> Path:
    return copy_demo("brain-tumour-demo", tmp_path / "brain")


def refusal(folder: Path) -> str:
    with pytest.raises(PackageError) as refused:
        check_package(ModelPackage.open(folder), "cpu")
    return str(refused.value)


def change_json(folder: Path, path: str, change: Callable[[Any], None]) -> None:
    file = folder / path
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    reseal(folder, path)


@pytest.mark.parametrize("name", DEMOS)
def test_the_demonstration_packages_answer_their_samples_as_stored(name: str) -> None:
    """Two in a process of their own, as ``ainode models check`` does it; Keras must not come into this one."""
    if name in ("t1-head-demo", "brain-tumour-keras-demo"):
        report = check_apart(MODELS / name, "cpu")
    else:
        report = check_package(ModelPackage.open(MODELS / name), "cpu")
    assert report.reference == f"{name}@1.0.0"
    manifest = ModelPackage.open(MODELS / name).manifest
    if manifest.classes:
        assert re.fullmatch(r"probabilities differ by at most \d\.\de[-+]\d\d \(.*\)", report.agreement)
    else:
        assert report.agreement == "Dice " + ", ".join(f"{label.name} 1.0000" for label in manifest.labels)
    assert all("nobody checked what it means" in remark for remark in report.remarks)
    assert min(report.load_seconds, report.sample_seconds) > 0


@pytest.mark.parametrize("name", DEMOS)
def test_samples_are_small_and_hold_every_label_or_a_finding(name: str) -> None:
    package = ModelPackage.open(MODELS / name)
    assert package.manifest.sample
    files = list((package.folder / "sample").iterdir())
    assert sum(file.stat().st_size for file in files) <= 300_000
    with np.load(package.folder / package.manifest.sample.answer) as answer:
        if package.manifest.classes:
            best = int(answer["probabilities"].argmax())
            assert not package.manifest.classes[best].normal
        else:
            counts = np.bincount(answer["label_map"].ravel())
            assert min(counts[label.value] for label in package.manifest.labels) > 20
    named = {*package.manifest.sample.inputs.values(), package.manifest.sample.answer}
    assert {file.relative_to(package.folder).as_posix() for file in files} == set(map(str, named))


def test_weights_of_the_wrong_shape_are_refused(head: Path) -> None:
    def widen(plans: Any) -> None:
        plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = [12, 16, 32, 64]

    change_json(head, "nnunet/plans.json", widen)
    message = refusal(head)
    assert "plans.json, dataset.json and the checkpoint do not fit together" in message
    assert "size mismatch" in message
    assert message.endswith("copy all of them from one training")


def test_a_label_of_the_network_that_is_not_described_is_refused(brain: Path) -> None:
    text = (brain / "model.toml").read_text()
    start, end = text.index("[[label]]\nvalue = 2"), text.index("[[label]]\nvalue = 3")
    (brain / "model.toml").write_text(text[:start] + text[end:])
    assert "label: values [1, 3] given, but the network has [1, 2, 3]; describe each of them" in refusal(brain)


def test_a_channel_of_the_network_that_is_not_described_is_refused(brain: Path) -> None:
    text = (brain / "model.toml").read_text()
    start, end = text.index('[[input]]\nname = "T2"'), text.index('[[input]]\nname = "FLAIR"')
    (brain / "model.toml").write_text(text[:start] + text[end:].replace('T2 = "sample/T2.npz"\n', ""))
    assert "input: 3 given, but the network has 4 channels (T1, T1c, T2, FLAIR)" in refusal(brain)


@pytest.mark.parametrize("key", ["category", "type", "anatomy"])
def test_a_label_without_terminology_is_refused_with_a_code_to_write(head: Path, key: str) -> None:
    lines = (head / "model.toml").read_text().splitlines()
    (head / "model.toml").write_text("\n".join(line for line in lines if not line.startswith(f"{key} = ")))
    with pytest.raises(PackageError) as refused:
        ModelPackage.open(head)
    assert f"label[0].{key}: missing; add " in str(refused.value)
    assert 'such as { value = "' in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"6574001", scheme = "SCT", meaning = "Necrosis"',
            '"79654002", scheme = "SCT", meaning = "Necrosis"',
            "label[0].type: (79654002, SCT) means 'Edema', not 'Necrosis'; 'Necrosis' is '6574001': change the value",
        ),
        (
            '"6574001", scheme = "SCT", meaning = "Necrosis"',
            '"6574002", scheme = "SCT", meaning = "Dead tissue"',
            "label[0].type: (6574002, SCT) is no concept of SNOMED CT: its check digit or its kind is wrong",
        ),
        (
            '"C113842", scheme = "NCIt", meaning = "Enhancing Lesion"',
            '"C113843", scheme = "NCIt", meaning = "Enhancing Lesion"',
            "label[2].type: (C113843, NCIt) is not in DICOM's dictionaries; 'Enhancing Lesion' has the code 'C113842'",
        ),
        (
            '"123110", scheme = "DCM", meaning = "Artificial Intelligence"',
            '"999999", scheme = "DCM", meaning = "Cleverness"',
            "family: (999999, DCM) is no code of DICOM (PS3.16 Annex D)",
        ),
        (
            '"12738006", scheme = "SCT", meaning = "Brain"',
            '"12738006", scheme = "ACME", meaning = "Brain"',
            "label[0].anatomy: scheme 'ACME' is unknown; use one of PS3.16 Table 8-1 such as SCT, DCM or NCIt",
        ),
    ],
)
def test_codes_that_mean_something_else_or_nothing_are_refused(brain: Path, old: str, new: str, message: str) -> None:
    edit(brain, old, new)
    assert message in refusal(brain)


def test_every_wrong_code_is_named_at_once(brain: Path) -> None:
    edit(brain, 'scheme = "SCT", meaning = "Necrosis"', 'scheme = "SCT", meaning = "Nekrose"')
    edit(brain, 'scheme = "SCT", meaning = "Edema"', 'scheme = "SCT", meaning = "Oedem"')
    message = refusal(brain)
    assert "label[0].type: (6574001, SCT) means 'Necrosis', not 'Nekrose'" in message
    assert "label[1].type: (79654002, SCT) means 'Edema', not 'Oedem'" in message


def test_codes_that_nobody_can_check_are_taken_with_a_remark(brain: Path) -> None:
    edit(
        brain, '"C113842", scheme = "NCIt", meaning = "Enhancing Lesion"', '"C4911", scheme = "NCIt", meaning = "Cyst"'
    )
    edit(brain, '"6574001", scheme = "SCT", meaning = "Necrosis"', '"X1", scheme = "99SITE", meaning = "Necrosis"')
    assert check_codes(Manifest.read(brain / "model.toml")) == (
        "label[0].type: DICOM's dictionaries have no (X1, 99SITE); nobody checked what it means",
        "label[2].type: DICOM's dictionaries have no (C4911, NCIt); nobody checked what it means",
    )
    assert known_code("SCT", "12738006") == Code("12738006", "SCT", "Brain")
    assert known_code("SCT", "1") is None


class _Payload:
    """What a malicious checkpoint does when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._mark,)


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_a_checkpoint_with_pickled_code_is_refused_and_the_code_never_runs(
    head: Path, tmp_path: Path, save: Callable[[Any, Path], None]
) -> None:
    mark = tmp_path / "ran"
    save({"network_weights": _Payload(mark)}, head / CHECKPOINT)
    reseal(head, CHECKPOINT)
    message = refusal(head)
    assert f"{head / CHECKPOINT}: holds something else than weights and numbers" in message
    assert "Save it again with torch.save from plain tensors" in message
    assert not mark.exists()


def test_changed_weights_are_refused_before_they_are_loaded(head: Path) -> None:
    (head / CHECKPOINT).write_bytes(b"changed")
    assert "SHA-256 is" in refusal(head)


def test_another_answer_than_the_stored_one_is_refused_with_the_dice(head: Path) -> None:
    with np.load(head / "sample" / "answer.npz") as stored:
        label_map = stored["label_map"]
    np.savez(head / "sample" / "answer.npz", label_map=np.roll(label_map, 1, axis=2))
    message = refusal(head)
    assert "answers its own sample otherwise than stored: Dice Head 0.9" in message
    assert "These are not the weights that made sample/answer.npz, or they run wrongly here" in message


@pytest.mark.parametrize(
    ("name", "arrays", "message"),
    [
        (
            "answer",
            {"label_map": np.zeros((2, 2, 2), np.uint8)},
            "'label_map' has the shape (2, 2, 2), but the sample's",
        ),
        ("answer", {"labels": np.zeros((2, 2, 2), np.uint8)}, "holds no array 'label_map', only labels; add it"),
        ("answer", {"label_map": np.zeros((2, 2), np.uint8)}, "it must have 3 dimensions"),
        ("T1", {"array": np.zeros((2, 2, 2)), "affine": np.eye(3)}, "'affine' must be 4 x 4"),
        ("T1", {"array": np.array([[[{}]]]), "affine": np.eye(4)}, "cannot be read as .npz of plain arrays"),
    ],
)
def test_a_sample_that_cannot_be_read_is_refused(
    head: Path, name: str, arrays: dict[str, np.ndarray[Any, Any]], message: str
) -> None:
    np.savez(head / "sample" / f"{name}.npz", **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle first
    assert message in refusal(head)


def test_a_package_without_a_sample_is_sound_with_a_remark(head: Path) -> None:
    text = (head / "model.toml").read_text()
    (head / "model.toml").write_text(text[: text.index("[sample]")])
    report = check_package(ModelPackage.open(head), "cpu")
    assert report.agreement == ""
    assert report.remarks == ("it brings no [sample]: nobody checked that it answers as it should",)


def test_a_sample_must_name_every_input_and_stay_inside(brain: Path) -> None:
    edit(brain, 'T2 = "sample/T2.npz"\n', "")
    with pytest.raises(PackageError, match=r"sample\.input\.T2: missing; add it"):
        ModelPackage.open(brain)
    edit(brain, 'T1c = "sample/T1c.npz"', 'T1c = "sample/T1c.npz"\nT2 = "../T2.npz"')
    with pytest.raises(PackageError, match=r"sample\.input\.T2: must stay inside"):
        ModelPackage.open(brain)


def test_a_check_whose_process_dies_is_a_refusal_with_its_last_words(
    head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "openvino.py").write_text(
        "import os, sys\nsys.stderr.write('out of luck')\nsys.stderr.flush()\nos.abort()\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"), prepend=":")
    with pytest.raises(PackageError, match=r"the check ended with exit code -6 .*out of luck"):
        check_apart(head, "cpu")
