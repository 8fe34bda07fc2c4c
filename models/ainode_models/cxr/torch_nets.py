"""The nets of a package by torch: on a GPU, on a CPU without OpenVINO, and for what takes gradients. Imports torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ainode_models.cxr.ask import Ask, Pictures
from ainode_models.cxr.lung_net import LungNet, load_lung_net
from ainode_models.cxr.nets import DEVIATION, MEAN, NETS
from ainode_models.cxr.seeded import completed
from ainode_models.cxr.settings import CxrSettings, NetSettings
from ainode_models.cxr.state_dict import load_strictly, read_state_dict


@dataclass(frozen=True)
class TorchNets:
    """Nets in evaluation mode on one device."""

    voters: Mapping[str, Any]
    """Modules from normalised pictures ``(n, 3, 224, 224)`` to logits, by the name of the net."""
    lungs: LungNet | None
    device: torch.device

    @classmethod
    def load(cls, settings: CxrSettings, *, classes: int, device: torch.device) -> "TorchNets":
        """Raises `PackageError` for weights that do not fit."""
        voters = {net.name: _loaded(net, classes).to(device) for net in settings.nets}
        return cls(voters, load_lung_net(settings.mask, device) if settings.mask else None, device)

    @property
    def parameters(self) -> int:
        """Of the nets that vote and the one that finds the lungs."""
        nets = [*self.voters.values(), *([self.lungs] if self.lungs else [])]
        return sum(each.numel() for net in nets for each in net.parameters())


class OfGrey(nn.Module):
    """A net for grey pictures ``(n, 1, 224, 224)``, 0 to 1."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, grey: Tensor) -> Tensor:
        """Its logits."""
        logits: Tensor = self.net(normalised(grey))
        return logits


def normalised(grey: Tensor) -> Tensor:
    """``(n, 1, rows, columns)``, 0 to 1, as three equal channels with ImageNet's mean and deviation taken off."""
    mean, deviation = (torch.tensor(values, device=grey.device).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (grey.expand(-1, 3, -1, -1) - mean) / deviation


def asked(net: nn.Module) -> Ask:
    """How a net of torch is asked, on the device where it is."""
    device = next(net.parameters()).device

    def ask(pictures: Pictures) -> NDArray[np.float32]:
        with exact(), torch.no_grad():
            answer: Tensor = net(torch.from_numpy(np.ascontiguousarray(pictures)).to(device))
        return np.asarray(answer.cpu().numpy())

    return ask


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
