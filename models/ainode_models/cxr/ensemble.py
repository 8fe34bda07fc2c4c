"""The nets of a package, loaded, and their soft vote."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ainode_models.cxr.ask import BATCH, Ask, Pictures
from ainode_models.cxr.settings import CxrSettings
from ainode_models.device import uses_gpu
from ainode_models.errors import ModelError
from ainode_models.package import ModelPackage

if TYPE_CHECKING:
    from ainode_models.cxr.torch_nets import TorchNets

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ensemble:
    """All nets of a package on one device, ready to be asked."""

    voters: Mapping[str, Ask]
    """Logits ``(n, classes)`` of pictures ``(n, 1, 224, 224)``, at most `BATCH`, by the name of the net."""
    weights: Mapping[str, float]
    """Of the vote, by the name of the net; their sum is 1."""
    frontal: Ask
    """A `FrontalNet`."""
    lungs: Ask | None
    """A `LungNet`."""
    parameters: int
    """Of the nets that vote and the one that finds the lungs."""
    device: str
    """In words: ``cpu``, or number and name of a GPU; and with which numbers it computes, where these are not fp32."""
    rounded: bool
    """Whether these are not fp32 for some net."""
    with_gradients: "Callable[[], TorchNets]"
    """The same nets by torch, loaded when they are asked for."""

    @classmethod
    def load(cls, package: ModelPackage, device: str) -> "Ensemble":
        """All of ``[cxr]`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

        Raises `PackageError` for weights that do not fit, `RuntimeUnavailable` for a device that is not there.
        """
        settings, classes = CxrSettings.of(package), len(package.manifest.classes)
        if not uses_gpu(device) and find_spec("openvino"):
            made = _by_openvino(package, settings, classes)
            if made:
                return made
            _log.warning("OpenVINO cannot convert %s: torch runs it, some times slower", package.folder)
        return by_torch(package, device)

    def members(self, grey: Pictures) -> dict[str, NDArray[np.float64]]:
        """Softmax of each net for pictures ``(n, 1, 224, 224)``: ``(n, classes)``."""
        parts = [grey[start : start + BATCH] for start in range(0, len(grey), BATCH)]
        return {
            name: softmax(np.concatenate([ask(part) for part in parts]).astype(np.float64), axis=1)
            for name, ask in self.voters.items()
        }

    def vote(self, members: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Weighted mean of the nets' probabilities.

        Raises `ModelError` when they are no numbers.
        """
        mean = np.sum([self.weights[name] * values for name, values in members.items()], axis=0)
        if not np.isfinite(mean).all():
            raise ModelError("the nets gave no numbers for this image; check their weights with `ainode models check`")
        return np.asarray(np.clip(mean, 0, 1))


def by_torch(package: ModelPackage, device: str) -> Ensemble:
    """The ensemble by torch, in fp32, eager; see `Ensemble.load`."""
    from ainode_models.cxr.frontal import by_torch as frontal
    from ainode_models.cxr.torch_nets import OfGrey, TorchNets, asked
    from ainode_models.torch_device import device_of, named

    settings = CxrSettings.of(package)
    nets = TorchNets.load(settings, classes=len(package.manifest.classes), device=device_of(device))
    return Ensemble(
        voters={name: asked(OfGrey(net)) for name, net in nets.voters.items()},
        weights=_shares(settings),
        frontal=frontal,
        lungs=asked(nets.lungs) if nets.lungs else None,
        parameters=nets.parameters,
        device=named(nets.device),
        rounded=False,
        with_gradients=lambda: nets,
    )


def _by_openvino(package: ModelPackage, settings: CxrSettings, classes: int) -> Ensemble | None:
    from ainode_models.cxr.conversion import FRONTAL, LUNGS, converted
    from ainode_models.cxr.openvino_voter import OpenVinoVoter, precisions_of
    from ainode_models.openvino_network import OpenVinoNetwork

    found = converted(package, settings)
    if found is None:
        return None
    precisions = precisions_of(found.facts["bf16"])
    rounded = "bf16" in precisions.values()
    for name, precision in precisions.items():
        _log.info("%s of %s runs in %s", name, package.reference, precision)

    @cache
    def with_gradients() -> "TorchNets":
        import torch

        from ainode_models.cxr.torch_nets import TorchNets

        return TorchNets.load(settings, classes=classes, device=torch.device("cpu"))

    return Ensemble(
        voters={net.name: OpenVinoVoter(found.networks[net.name], precisions[net.name]) for net in settings.nets},
        weights=_shares(settings),
        frontal=OpenVinoNetwork(found.networks[FRONTAL]),
        lungs=OpenVinoNetwork(found.networks[LUNGS]) if settings.mask else None,
        parameters=found.facts["parameters"],
        device="cpu in bf16" if rounded else "cpu",
        rounded=rounded,
        with_gradients=with_gradients,
    )


def _shares(settings: CxrSettings) -> dict[str, float]:
    whole = sum(net.weight for net in settings.nets)
    return {net.name: net.weight / whole for net in settings.nets}
