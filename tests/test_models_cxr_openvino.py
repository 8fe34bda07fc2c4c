"""The chest X-ray ensemble by OpenVINO says what torch says, says with which numbers, and needs no torch for it."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray

from ainode_models.cxr import conversion
from ainode_models.cxr.classifier import CxrClassifier
from ainode_models.cxr.ensemble import Ensemble, by_torch
from ainode_models.cxr.openvino_voter import MOST_DIFFERENCE, OpenVinoVoter, precisions_of
from ainode_models.cxr.prepare import prepared
from ainode_models.cxr.settings import CxrSettings
from ainode_models.cxr.torch_nets import OfGrey
from ainode_models.demo.chest import chest_phantom
from ainode_models.demo.chest_features import seeded_net
from ainode_models.openvino_cache import Conversion
from ainode_models.openvino_network import computes_bf16, traced
from ainode_models.package import ModelPackage
from ainode_models.package_check import check_package
from ainode_models.radiograph import Radiograph
from peers.cxr_package import plain_net, write_package
from peers.shared_data import ROOT

DEMO = ModelPackage.open(ROOT / "models" / "chest-xray-demo")
NET = "efficientnet_b0"
XRAY = Radiograph(chest_phantom(3, 1).image, "DX", "CHEST", "PA")
SAMPLE = """
[sample]
answer = "answer.npz"
[sample.input]
chest = "sample.npz"
"""


@pytest.fixture(scope="module")
def demo() -> Ensemble:
    return Ensemble.load(DEMO, "cpu")


def drawn(count: int) -> list[Radiograph]:
    images = (chest_phantom(400_000 + number, number % 4).image for number in range(count))
    return [Radiograph(image, "DX", "CHEST", "PA") for image in images]


def pictures(ensemble: Ensemble, count: int) -> NDArray[np.float32]:
    return np.concatenate([prepared(each, ensemble.lungs, frontal=ensemble.frontal)[0] for each in drawn(count)])


def test_every_net_says_what_torch_says_however_many_pictures_it_gets(demo: Ensemble) -> None:
    torchs = by_torch(DEMO, "cpu")
    assert all(isinstance(voter, OpenVinoVoter) and voter.precision == "fp32" for voter in demo.voters.values())
    grey = pictures(demo, 9)
    np.testing.assert_allclose(grey, pictures(torchs, 9), rtol=0, atol=1e-6)
    wanted = torchs.members(grey)
    for count in (1, 3, 9):
        for name, said in demo.members(grey[:count]).items():
            np.testing.assert_allclose(said, wanted[name][:count], rtol=0, atol=1e-4)
    assert min(np.ptp(values) for values in wanted.values()) > 0.1, "pictures all alike would prove nothing"
    assert (demo.parameters, demo.device, demo.rounded) == (torchs.parameters, "cpu", False)


def test_what_was_converted_once_is_loaded_and_asked_without_torch(demo: Ensemble) -> None:
    assert demo.parameters, "it lies in the cache now"
    code = (
        "import sys; from pathlib import Path; from ainode_models.classifier import classifier_for\n"
        "from ainode_models.package import ModelPackage; from ainode_models.sample_files import sample_radiographs\n"
        "package = ModelPackage.open(Path(sys.argv[1])); model = classifier_for(package); model.load(package, 'cpu')\n"
        "said = model.classify(sample_radiographs(package, package.manifest.sample))\n"
        "print(said.device, len(said.members), {'torch', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(DEMO.folder)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "cpu 3 set()", done.stdout + done.stderr


def one_net(folder: Path, *, seed: int = 1) -> Path:
    """A package of one net, which is not among those that lie in the cache."""
    torch.save(plain_net(NET, seed=seed).state_dict(), folder / "net.pth")
    return write_package(folder, {NET: "net.pth"})


@pytest.mark.parametrize("converted", ["raises", "says something else"])
def test_what_openvino_cannot_convert_is_run_by_torch_and_that_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, converted: str
) -> None:
    real = openvino.convert_model

    other = traced(OfGrey(plain_net(NET, seed=2)), 1, 1, 224, 224)

    def convert_model(net: torch.jit.ScriptModule, **more: object) -> openvino.Model:
        if converted == "raises":
            raise RuntimeError("an operation that OpenVINO does not know")
        return other.clone() if net.original_name == "OfGrey" else real(net, **more)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino, "convert_model", convert_model)
    package = ModelPackage.open(one_net(tmp_path))
    with caplog.at_level(logging.WARNING):
        ensemble = Ensemble.load(package, "cpu")
    assert f"OpenVINO cannot convert {package.folder}: torch runs it, some times slower" in caplog.messages
    assert not isinstance(ensemble.voters[NET], OpenVinoVoter)
    assert ensemble.device == "cpu"
    grey, _ = prepared(XRAY, None)
    with torch.no_grad():
        wanted = plain_net(NET, seed=1)((torch.from_numpy(grey).expand(-1, 3, -1, -1) - MEAN) / DEVIATION)
    np.testing.assert_allclose(ensemble.voters[NET](grey), wanted.numpy(), rtol=0, atol=1e-5)


MEAN, DEVIATION = (torch.tensor(values).view(1, 3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@pytest.mark.skipif(not computes_bf16(), reason="needs a CPU that computes bf16")
def test_bf16_is_taken_where_it_moves_little_and_the_answer_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(3)
    seen = np.concatenate([prepared(each, None)[0] for each in drawn(8)])
    torch.save(seeded_net(NET, 5, calibration=torch.from_numpy(seen)).state_dict(), tmp_path / "net.pth")
    manifest = write_package(tmp_path, {NET: "net.pth"}) / "model.toml"
    np.savez(tmp_path / "sample.npz", pixels=XRAY.pixels, body_part="CHEST", view="PA")
    manifest.write_text(manifest.read_text() + SAMPLE)
    package = ModelPackage.open(tmp_path)
    exact = by_torch(package, "cpu")
    wanted = exact.members(seen)[NET]
    classifier = CxrClassifier()
    with caplog.at_level(logging.INFO):
        classifier.load(package, "cpu")
    answer = classifier.classify({"chest": XRAY})
    assert (answer.device, answer.rounded) == ("cpu in bf16", True)
    assert f"{NET} of {package.reference} runs in bf16" in caplog.messages
    assert classifier._loaded
    moved = np.abs(classifier._loaded.ensemble.members(seen)[NET] - wanted).max()
    assert 1e-5 < moved <= 0.01
    told = exact.members(prepared(XRAY, None)[0])[NET][0]
    np.savez(tmp_path / "answer.npz", probabilities=told)
    assert check_package(package, "cpu").agreement.startswith("probabilities differ by at most ")


def test_bf16_is_not_taken_unseen_or_where_it_moves_much() -> None:
    seen = {"a": 0.0001, "b": MOST_DIFFERENCE, "c": 0.0051, "d": None}
    assert precisions_of(seen) == {"a": "bf16", "b": "bf16", "c": "fp32", "d": "fp32"}


def test_the_cache_knows_packages_by_all_that_decides_the_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[Path] = []
    monkeypatch.setattr(Conversion, "result", lambda self: places.append(self.place))
    folder = one_net(tmp_path)
    manifest = (folder / "model.toml").read_text()
    for text in (manifest, manifest.replace("A test.", "Another."), manifest + SAMPLE):
        (folder / "model.toml").write_text(text)
        package = ModelPackage.open(folder)
        conversion.converted(package, CxrSettings.of(package))
        np.savez(folder / "sample.npz", pixels=XRAY.pixels)
    torch.save({}, folder / "net.pth")
    conversion.converted(package, CxrSettings.of(package))
    assert places[0] == places[1], "words decide nothing"
    assert len(set(places)) == 3
