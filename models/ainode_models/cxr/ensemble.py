"""The nets of a package, loaded, and their soft vote."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ainode_models.cxr.net_input import normalised
from ainode_models.cxr.nets import NETS
from ainode_models.cxr.seeded import completed
from ainode_models.cxr.settings import CxrSettings, NetSettings
from ainode_models.cxr.state_dict import load_strictly, read_state_dict
from ainode_models.errors import ModelError

_BATCH = 16
"""Pictures at once, so that memory does not grow with what is asked."""


@dataclass(frozen=True)
class Ensemble:
    """Nets in evaluation mode on one device."""

    nets: Mapping[str, Any]
    weights: Mapping[str, float]
    """Of the vote, by the name of the net; their sum is 1."""
    device: torch.device

    @classmethod
    def load(cls, settings: CxrSettings, *, classes: int, device: torch.device) -> "Ensemble":
        """Raises `PackageError` for weights that do not fit."""
        whole = sum(net.weight for net in settings.nets)
        return cls(
            {net.name: _loaded(net, classes).to(device) for net in settings.nets},
            {net.name: net.weight / whole for net in settings.nets},
            device,
        )

    def members(self, grey: torch.Tensor) -> dict[str, NDArray[np.float64]]:
        """Softmax of each net for pictures ``(n, 1, 224, 224)``: ``(n, classes)``."""
        with exact(), torch.no_grad():
            return {
                name: np.concatenate([self._ask(net, part) for part in torch.split(grey, _BATCH)])
                for name, net in self.nets.items()
            }

    def vote(self, members: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Weighted mean of the nets' probabilities.

        Raises `ModelError` when they are no numbers.
        """
        mean = np.sum([self.weights[name] * values for name, values in members.items()], axis=0)
        if not np.isfinite(mean).all():
            raise ModelError("the nets gave no numbers for this image; check their weights with `ainode models check`")
        return np.asarray(np.clip(mean, 0, 1))

    def _ask(self, net: Any, grey: torch.Tensor) -> NDArray[np.float64]:
        logits = net(normalised(grey.to(self.device))).double()
        return np.asarray(logits.softmax(dim=1).cpu().numpy())


@contextmanager
def exact() -> Iterator[None]:
    """True fp32 on a GPU, too: no TF32 in convolutions."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _loaded(settings: NetSettings, classes: int) -> Any:
    with torch.device("meta"):  # no time for random numbers that the file replaces
        net = NETS[settings.name](classes)
    state = read_state_dict(settings.file)
    if settings.backbone:
        state = completed(state, net, backbone=settings.backbone, file=settings.file)
    net.to_empty(device="cpu")
    load_strictly(net, state, name=settings.name, file=settings.file, classes=classes)
    return net.eval()
