"""Checkpoints of plain torchvision load strictly and answer as there; all else is refused with its cure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ainode_models.classifier import classifier_for
from ainode_models.cxr.classifier import CxrClassifier
from ainode_models.demo.chest import chest_phantom
from ainode_models.errors import ModelError, PackageError
from ainode_models.package import ModelPackage
from ainode_models.prediction import Classification
from ainode_models.radiograph import Radiograph
from peers.cxr_package import CLASSES, NETS, plain_net, write_package

XRAY = Radiograph(chest_phantom(3, 1).image, "DX", "CHEST", "PA")


@pytest.fixture(scope="module")
def plain() -> Mapping[str, nn.Module]:
    return {name: plain_net(name, seed=seed) for seed, name in enumerate(NETS)}


@pytest.fixture(scope="module")
def folder(plain: Mapping[str, nn.Module], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints, saved in the three ways that people save them."""
    folder = tmp_path_factory.mktemp("brought")
    states = {name: net.state_dict() for name, net in plain.items()}
    torch.save(states["resnet50"], folder / "resnet50.pth")
    torch.save({"epoch": 9, "state_dict": states["densenet121"], "best": 0.81}, folder / "densenet121.pth")
    parallel = {f"module.{key}": value for key, value in states["efficientnet_b0"].items()}
    torch.save({"model_state_dict": parallel}, folder / "efficientnet_b0.pth")
    return write_package(folder, {name: f"{name}.pth" for name in NETS})


@pytest.fixture(scope="module")
def classifier(folder: Path) -> CxrClassifier:
    package = ModelPackage.open(folder)
    classifier = classifier_for(package)
    assert isinstance(classifier, CxrClassifier)
    classifier.load(package, "cpu")
    return classifier


def plain_input(image: Radiograph) -> torch.Tensor:
    from torchvision.transforms.v2 import functional as transforms

    grey = torch.from_numpy(image.pixels)[None, None].expand(1, 3, -1, -1)
    small = transforms.resize(grey, [224, 224], antialias=True)
    return transforms.normalize(small, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def test_checkpoints_of_plain_torchvision_give_its_probabilities(
    classifier: CxrClassifier, plain: Mapping[str, nn.Module]
) -> None:
    answer = classifier.classify({"chest": XRAY})
    with torch.no_grad():
        wanted = {name: net(plain_input(XRAY)).softmax(dim=1)[0].numpy() for name, net in plain.items()}
    for name, values in wanted.items():
        np.testing.assert_allclose(list(answer.members[name].values()), values, rtol=0, atol=1e-5)
    vote = np.mean(list(wanted.values()), axis=0)
    np.testing.assert_allclose([answer.probabilities[n] for n in (1, 2, 3, 4)], vote, rtol=0, atol=1e-5)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert np.ptp(vote) > 1e-3, "all classes alike would prove nothing"
    assert answer.remarks == ("Classified without a lung mask: the package has none.",)


def plain_gradcam(layer: nn.Module, net: nn.Module, image: torch.Tensor, *, number: int) -> torch.Tensor:
    """By the paper, with hooks and a whole backward pass."""
    kept: list[torch.Tensor] = []

    def keep(_layer: nn.Module, _given: Any, maps: torch.Tensor) -> torch.Tensor:
        seen = maps.relu() if layer is getattr(net, "features", None) and hasattr(net.features, "norm5") else maps
        seen.retain_grad()
        kept.append(seen)
        return seen * 1  # so that an activation in place does not touch what was kept

    hook = layer.register_forward_hook(keep)
    net.zero_grad()
    net(image)[0, number].backward()
    hook.remove()
    (maps,) = kept
    assert maps.grad is not None
    alpha = maps.grad.mean(dim=(2, 3), keepdim=True)
    cam = (alpha * maps).sum(dim=1, keepdim=True).relu().detach()
    return cam / cam.max() if cam.max() > 0 else cam


@pytest.mark.parametrize("name", NETS)
def test_heat_maps_are_those_of_the_paper(classifier: CxrClassifier, plain: Mapping[str, nn.Module], name: str) -> None:
    answer = classifier.classify({"chest": XRAY}, explain=f"gradcam:{name}")
    layer: Any = plain[name].layer4 if name == "resnet50" else plain[name].features
    for heatmap in answer.heatmaps:
        cam = plain_gradcam(layer, plain[name], plain_input(XRAY), number=heatmap.number - 1)
        whole = nn.functional.interpolate(cam, size=XRAY.pixels.shape, mode="bilinear", align_corners=False)
        np.testing.assert_allclose(heatmap.values, whole[0, 0].numpy(), rtol=0, atol=1e-4)
        assert heatmap.method == f"Grad-CAM of {name}"
    assert [heatmap.number for heatmap in answer.heatmaps] == [1, 2, 3, 4]
    assert max(heatmap.values.max() for heatmap in answer.heatmaps) > 0.5, "empty maps would prove nothing"


def test_the_heat_map_of_the_ensemble_is_the_mean_of_its_nets(classifier: CxrClassifier) -> None:
    def maps(explain: str) -> Any:
        return np.stack([each.values for each in classifier.classify({"chest": XRAY}, explain=explain).heatmaps])

    whole = maps("gradcam")
    assert whole.shape == (4, *XRAY.pixels.shape)
    assert whole.min() >= 0
    assert whole.max() <= 1
    np.testing.assert_allclose(whole, np.mean([maps(f"gradcam:{name}") for name in NETS], axis=0), rtol=0, atol=1e-6)


def test_an_explanation_that_nobody_knows_is_refused_by_name(classifier: CxrClassifier) -> None:
    with pytest.raises(ModelError, match="'shap' is not known; there are: gradcam, lime, gradcam:resnet50"):
        classifier.classify({"chest": XRAY}, explain="shap")


def one_net(tmp_path: Path, content: Any, *, name: str = "efficientnet_b0", **options: Any) -> ModelPackage:
    torch.save(content, tmp_path / "net.pth")
    return ModelPackage.open(write_package(tmp_path, {name: "net.pth"}, **options))


def state(name: str = "efficientnet_b0", classes: int = 4) -> dict[str, torch.Tensor]:
    return dict(plain_net(name, classes).state_dict())


def without(key: str) -> dict[str, torch.Tensor]:
    return {other: value for other, value in state().items() if other != key}


FAULTS: Mapping[str, tuple[Any, str]] = {
    "other number of classes": (
        lambda: state(classes=3),
        r"classifier.1.weight answers for 3 classes, but model.toml has 4 \[\[class\]\]",
    ),
    "missing key": (
        lambda: without("features.0.0.weight"),
        r"1 keys are missing, the first 'features.0.0.weight'",
    ),
    "unknown key": (lambda: state() | {"extra": torch.zeros(1)}, r"1 keys are unknown, the first 'extra'"),
    "other shape": (
        lambda: state() | {"features.0.0.weight": torch.zeros(32, 1, 3, 3)},
        r"features.0.0.weight has the shape \(32, 1, 3, 3\), but efficientnet_b0 needs \(32, 3, 3, 3\)",
    ),
    "another net": (lambda: state("densenet121"), r"It is one of densenet121: change name in \[\[cxr.net\]\]"),
    "a whole net": (lambda: plain_net("efficientnet_b0"), r"could run code when it is loaded; refused"),
    "no numbers": (
        lambda: state() | {"classifier.1.bias": torch.full((4,), torch.nan)},
        r"classifier.1.bias holds values that are not finite",
    ),
    "no state dict": (lambda: [1, 2], r"holds no state dict"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused_with_its_cure(fault: str, tmp_path: Path) -> None:
    content, message = FAULTS[fault]
    with pytest.raises(PackageError, match=message):
        CxrClassifier().load(one_net(tmp_path, content()), "cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('mask = { file = "lungs.pth" }', r"cxr.mask.file: 'lungs.pth' is not among \[\[weights\]\] \(net.pth\)"),
        ("lime = { samples = 3 }", r"cxr.lime.samples: must be from 10 to 100000"),
        ("threshold = 1", r"cxr.threshold: unknown; remove it, or use one of: net, mask, lime"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_key(settings: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=message):
        CxrClassifier().load(one_net(tmp_path, {"state": 1}, settings=settings), "cpu")


def test_weights_count_in_the_vote(tmp_path: Path) -> None:
    files = {}
    for name in ("densenet121", "efficientnet_b0"):
        torch.save(plain_net(name).state_dict(), tmp_path / f"{name}.pth")
        files[name] = f"{name}.pth"
    manifest = write_package(tmp_path, files) / "model.toml"
    manifest.write_text(manifest.read_text() + "weight = 3.0\n")
    classifier = CxrClassifier()
    classifier.load(ModelPackage.open(tmp_path), "cpu")
    answer: Classification = classifier.classify({"chest": XRAY})
    for number in range(1, len(CLASSES) + 1):
        dense, efficient = (answer.members[name][number] for name in files)
        assert answer.probabilities[number] == pytest.approx((dense + 3 * efficient) / 4, abs=1e-9)
