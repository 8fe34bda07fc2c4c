"""The chest X-ray demonstration: small, honest, right on unseen drawings; real radiographs go through it."""

import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from pydicom import dcmread

from ainode.picture.picture import read_picture
from ainode_models.classify import classification_findings
from ainode_models.cxr.classifier import CxrClassifier
from ainode_models.cxr.lung_net import load_lung_net
from ainode_models.cxr.lungs import lungs_of
from ainode_models.cxr.nets import NETS
from ainode_models.cxr.seeded import checksum, drawn_weights
from ainode_models.cxr.torch_nets import asked
from ainode_models.demo.chest import KINDS, chest_phantom
from ainode_models.errors import PackageError
from ainode_models.findings import Decision, Outcome
from ainode_models.package import ModelPackage
from ainode_models.radiograph import Radiograph
from peers.shared_data import shared_data

FOLDER = Path(__file__).parent.parent / "models" / "chest-xray-demo"
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNSEEN = range(300_000, 300_012)


@pytest.fixture(scope="module")
def demo() -> CxrClassifier:
    classifier = CxrClassifier()
    classifier.load(ModelPackage.open(FOLDER), "cpu")
    return classifier


def test_the_package_is_small_and_says_what_it_is() -> None:
    package = ModelPackage.open(FOLDER)
    package.verify()
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 8_000_000
    assert (FOLDER / "lungs.pth").stat().st_size <= 300_000
    assert "demonstration" in package.manifest.title
    assert "Not for diagnostic use" in package.manifest.disclaimer
    assert "never seen a patient" in package.manifest.limits
    assert [each.name for each in package.manifest.classes] == list(KINDS)
    assert [each.name for each in package.manifest.classes if each.normal] == ["Normal"]


def test_drawings_that_it_has_not_seen_are_mostly_told_apart(demo: CxrClassifier) -> None:
    package, right = ModelPackage.open(FOLDER), 0
    for seed in UNSEEN:
        phantom = chest_phantom(seed, seed % len(KINDS))
        answer = demo.classify({"chest": Radiograph(phantom.image)})
        assert answer.remarks == (), "with a lung mask, the right way round"
        findings = classification_findings(answer, package, run_id="r", started_at=STARTED)
        best = max(findings.classes, key=lambda each: each.probability)
        right += best.label == KINDS[phantom.kind]
        assert findings.agreement is not None
        assert findings.agreement.confidence == best.probability
        only_normal = all(each.decision is Decision.ABSENT for each in findings.classes if each.label != "Normal")
        assert (findings.outcome is Outcome.NO_FINDINGS) == only_normal
    assert right >= len(UNSEEN) * 3 // 4


def test_the_lungs_of_drawings_are_found() -> None:
    ask = asked(load_lung_net(FOLDER / "lungs.pth", torch.device("cpu")))
    dice = []
    for seed in UNSEEN:
        phantom = chest_phantom(seed, seed % len(KINDS))
        found = lungs_of(ask, phantom.image)
        assert found is not None
        dice.append(2 * (found & phantom.lungs).sum() / (found.sum() + phantom.lungs.sum()))
    assert np.mean(dice) >= 0.95
    assert min(dice) >= 0.80


@pytest.mark.parametrize("name", ["dx-cptac.dcm", "dx-monochrome1-j2k.dcm"])
def test_real_radiographs_go_through_and_their_negatives_give_the_same(demo: CxrClassifier, name: str) -> None:
    header = dcmread(shared_data("chest-xray") / name)
    image = Radiograph(read_picture(header).pixels, header.Modality, header.BodyPartExamined, header.ViewPosition)
    answer = demo.classify({"chest": image}, explain="gradcam")
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert [heatmap.values.shape for heatmap in answer.heatmaps] == [image.pixels.shape] * len(KINDS)
    assert not any("negative" in remark for remark in answer.remarks)
    negative = demo.classify({"chest": replace(image, pixels=1 - image.pixels)})
    assert any("negative" in remark for remark in negative.remarks)
    for number, probability in answer.probabilities.items():
        assert negative.probabilities[number] == pytest.approx(probability, abs=1e-4)


def test_another_backbone_than_that_of_the_training_is_refused(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "copy"))
    manifest = copy / "model.toml"
    manifest.write_text(manifest.read_text().replace("backbone = { seed = 7", "backbone = { seed = 8", 1))
    with pytest.raises(PackageError, match=r"drawn from seed 8 has SHA-256 .* but the package was trained with"):
        CxrClassifier().load(ModelPackage.open(copy), "cpu")


def test_drawn_weights_are_the_same_everywhere() -> None:
    """The sum stands here, so that another numpy or another machine shows at once."""
    weights = drawn_weights(NETS["efficientnet_b0"](4), 7)
    assert checksum(weights) == "0dce8c59d35449944b1748a60a012847a4029b7aa407c9ca821786cb214f1328"
    first = weights["features.0.0.weight"]
    assert first.shape == (32, 3, 3, 3)
    assert np.abs(first).max() <= np.sqrt(6 / 27)
    assert first.std() == pytest.approx(np.sqrt(2 / 27), rel=0.1)
    assert (
        hashlib.sha256(first.astype("<f4").tobytes()).hexdigest()
        == "5806a996e58eee4ba313bbe5df2c9151d26aeb3b2b6a387616d69bf6a5c68d22"
    )
