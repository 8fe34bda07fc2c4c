"""The sample of a classifier: a radiograph and the probability of each class."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from imagecodecs import png_encode

from ainode_models import package_check
from ainode_models.errors import InputError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.package_check import check_package
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph
from peers.packages import copy_demo

CLASS = """
[[class]]
name = "{name}"
type = {{ value = "{value}", scheme = "SCT", meaning = "{meaning}" }}
anatomy = {{ value = "39607008", scheme = "SCT", meaning = "Lung" }}
threshold = 0.5
"""


class Brightness:
    """A classifier without a net: the mean of the image is the probability of its second class."""

    def __init__(self) -> None:
        self.seen: Radiograph | None = None
        self.rounded = False

    def is_available(self) -> str | None:
        """Always."""
        return None

    def load(self, package: ModelPackage, device: str) -> None:
        """Nothing but the sums."""
        package.verify()

    def classify(self, images: Mapping[str, Radiograph], *, explain: str | None = None) -> Classification:
        """The mean."""
        self.seen = images["XR"]
        if self.seen.view == "LL":
            raise InputError("a lateral view; it is made for PA and AP")
        mean = float(self.seen.pixels.mean())
        return Classification({1: 1 - mean, 2: mean}, {}, rounded=self.rounded)

    def unload(self) -> None:
        """Nothing to free."""


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> Brightness:
    made = Brightness()
    monkeypatch.setattr(package_check, "classifier_for", lambda package: made)
    return made


@pytest.fixture
def package(tmp_path: Path, classifier: Brightness) -> Path:
    folder = copy_demo("t1-head-demo", tmp_path / "package")
    text = (folder / "model.toml").read_text()
    text = text[: text.index("[[input]]")].replace('runtime = "nnunet"', 'runtime = "brightness"')
    text += '[[input]]\nname = "XR"\nmodality = "DX"\ndescription = "Chest"\n'
    text += CLASS.format(name="Pneumonia", value="233604007", meaning="Pneumonia")
    text += CLASS.format(name="Normal", value="17621005", meaning="Normal")
    text += '[brightness]\n[sample]\nanswer = "sample/answer.npz"\n[sample.input]\nXR = "sample/XR.png"\n'
    (folder / "model.toml").write_text(text)
    (folder / "sample" / "XR.png").write_bytes(png_encode(np.full((4, 6), 0x3FFF, np.uint16)))
    store(folder, [0.75, 0.25])
    return folder


def store(folder: Path, probabilities: list[float]) -> None:
    np.savez(folder / "sample" / "answer.npz", probabilities=np.array(probabilities))


def test_a_png_of_16_bits_is_read_from_black_to_white_and_probabilities_are_compared(
    package: Path, classifier: Brightness
) -> None:
    report = check_package(ModelPackage.open(package), "cpu")
    assert report.agreement.startswith("probabilities differ by at most ")
    assert classifier.seen
    assert classifier.seen.modality == "DX"
    assert classifier.seen.pixels.shape == (4, 6)
    assert classifier.seen.pixels.dtype == np.float32


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([0.7515, 0.25], r"otherwise than stored: probabilities differ by at most 1\.5e-03 \(Pneumonia\)"),
        ([0.75, 0.2, 0.05], r"holds 3 probabilities for 2 \[\[class\]\]; write one for each"),
        ([float("nan"), 0.25], "otherwise than stored"),
    ],
)
def test_other_probabilities_are_refused(package: Path, stored: list[float], message: str) -> None:
    store(package, stored)
    with pytest.raises(PackageError, match=message):
        check_package(ModelPackage.open(package), "cpu")


def test_an_answer_in_short_numbers_may_differ_by_what_they_round(package: Path, classifier: Brightness) -> None:
    classifier.rounded = True
    store(package, [0.7585, 0.25])
    assert "8.5e-03" in check_package(ModelPackage.open(package), "cpu").agreement
    store(package, [0.7605, 0.25])
    with pytest.raises(PackageError, match=r"at most 0\.01 is allowed"):
        check_package(ModelPackage.open(package), "cpu")


def test_a_sample_that_the_model_itself_refuses_is_a_fault_of_the_package(package: Path) -> None:
    text = (package / "model.toml").read_text()
    (package / "model.toml").write_text(text.replace("XR.png", "XR.npz"))
    np.savez(package / "sample" / "XR.npz", pixels=np.full((4, 6), 0.25), view="LL")
    with pytest.raises(PackageError, match=r"its own sample cannot be run: a lateral view; .*write the sample anew"):
        check_package(ModelPackage.open(package), "cpu")
