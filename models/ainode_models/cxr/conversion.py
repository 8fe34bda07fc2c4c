"""The nets of a package converted for OpenVINO: ``python -m ainode_models.cxr.conversion``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ainode_models import openvino_cache
from ainode_models.cxr.ask import BATCH, Ask, Pictures
from ainode_models.cxr.frontal import SIDE as FRONTAL_SIDE
from ainode_models.cxr.frontal import WEIGHTS
from ainode_models.cxr.lungs import SIDE as LUNGS_SIDE
from ainode_models.cxr.nets import SIDE
from ainode_models.cxr.settings import CxrSettings
from ainode_models.cxr.tried_pictures import NOISE, tried_pictures
from ainode_models.openvino_cache import Conversion, Converted, Request, place_of
from ainode_models.openvino_network import computes_bf16
from ainode_models.package import ModelPackage

if TYPE_CHECKING:
    from openvino import Model

FRONTAL, LUNGS = "frontal", "lungs"
"""Names of the nets that do not vote."""

_FORMAT = "cxr 1"
"""To be counted up when what is written here changes."""
_SAME = 1e-3
"""Difference of a probability from torch's above which a converted net is not used; usual is a hundredth of that."""


def converted(package: ModelPackage, settings: CxrSettings) -> Converted | None:
    """All nets of ``package``, converted now unless they are in the cache; None when they cannot be.

    Raises `PackageError` for weights that do not fit.
    """
    sample = package.manifest.sample
    pictures = [package.folder / path for path in sample.inputs.values()] if sample else []
    files = [WEIGHTS, *(net.file for net in settings.nets), *([settings.mask] if settings.mask else [])]
    place = place_of(
        *(_FORMAT, version("torch"), version("torchvision"), f"bf16={computes_bf16()}"),
        *(f"{net.name} {net.backbone}" for net in settings.nets),
        *(f"{len(package.manifest.classes)} classes", f"lungs={settings.mask is not None}"),
        files=[*files, *(picture for picture in pictures if picture.is_file())],
    )
    return Conversion(place, convert, {"package": str(package.folder)}, framework="torch").result()


def convert(request: Request, place: Path) -> None:
    """See `Conversion.convert`. Takes torch and torchvision."""
    with _one_thread():
        _convert(ModelPackage.open(Path(request["package"])), place)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one: on a busy machine its threads wait for each other several times as long as a picture takes."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _convert(package: ModelPackage, place: Path) -> None:
    import torch

    from ainode_models.cxr.frontal_net import frontal_net
    from ainode_models.cxr.torch_nets import OfGrey, TorchNets, asked
    from ainode_models.openvino_network import traced

    settings, cpu = CxrSettings.of(package), torch.device("cpu")
    nets = TorchNets.load(settings, classes=len(package.manifest.classes), device=cpu)
    voters = {name: OfGrey(net) for name, net in nets.voters.items()}
    models = {name: traced(net, -1, 1, SIDE, SIDE) for name, net in voters.items()}
    pictures = tried_pictures(package, asked(nets.lungs) if nets.lungs else None)
    differences = {name: _difference(models[name], asked(net), pictures) for name, net in voters.items()}
    models[FRONTAL] = traced(frontal_net(), -1, 1, FRONTAL_SIDE, FRONTAL_SIDE)
    if nets.lungs:
        models[LUNGS] = traced(nets.lungs, -1, 1, LUNGS_SIDE, LUNGS_SIDE)
    openvino_cache.write(place, models, {"parameters": nets.parameters, "bf16": differences})


def _difference(model: "Model", ask: Ask, pictures: Pictures | None) -> float | None:
    """By how much bf16 moves the probabilities of ``pictures`` at most; None where there is no bf16, or no picture.

    Raises RuntimeError when the net does not say in fp32 what ``ask`` says, which is torch's answer.
    """
    from ainode_models.openvino_network import OpenVinoNetwork

    tried = NOISE if pictures is None else pictures
    wanted = _probabilities(ask, tried)
    moved = np.abs(_probabilities(OpenVinoNetwork(model), tried) - wanted).max()
    if not moved <= _SAME:
        raise RuntimeError(f"the converted net gives other probabilities than torch: they differ by {moved:.2g}")
    if pictures is None or not computes_bf16():
        return None
    return float(np.abs(_probabilities(OpenVinoNetwork(model, precision="bf16"), tried) - wanted).max())


def _probabilities(ask: Ask, pictures: Pictures) -> NDArray[np.float32]:
    parts = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
    return np.asarray(softmax(np.concatenate([ask(part) for part in parts]), axis=1))


if __name__ == "__main__":
    sys.exit(openvino_cache.main(convert))
