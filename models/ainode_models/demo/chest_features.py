"""Random backbones that are worth something: their batch-norm statistics measured, their answers kept."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ainode_models.cxr.lung_net import LungNet
from ainode_models.cxr.lungs import lungs_of, masked
from ainode_models.cxr.net_input import resized
from ainode_models.cxr.nets import NETS, head_of
from ainode_models.cxr.seeded import drawn_weights
from ainode_models.cxr.torch_nets import asked, normalised
from ainode_models.demo.chest import KINDS, chest_phantom

_BATCH = 16
_DAMPED = 0.2
"""Scale of random branches beside their shortcuts: untrained layers lose less of the picture so."""


def pictures(seeds: Iterable[int], lung_net: LungNet) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """A phantom for each seed as the nets get it, ``(n, 1, 224, 224)``, masked as by the classifier; and its kind."""
    phantoms = [chest_phantom(seed, seed % len(KINDS)) for seed in seeds]
    ask = asked(lung_net)
    grey = [resized(masked(each.image, lungs_of(ask, each.image))) for each in phantoms]
    return torch.from_numpy(np.concatenate(grey)), np.array([each.kind for each in phantoms])


def seeded_net(name: str, seed: int, *, calibration: torch.Tensor) -> Any:
    """A net whose convolutions are drawn, with the mean and variance that its batch norms see in ``calibration``."""
    net = NETS[name](len(KINDS))
    drawn = {key: torch.from_numpy(value) for key, value in drawn_weights(net, seed).items()}
    net.load_state_dict(drawn, strict=False)
    norms = [layer for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    for norm in _ends_of_branches(name, net):
        torch.nn.init.constant_(norm.weight, _DAMPED)
    net.train()
    with torch.no_grad():
        for part in torch.split(calibration, _BATCH):
            net(normalised(part))
    return net.eval()


def _ends_of_branches(name: str, net: Any) -> list[Any]:
    """The norms whose output is added to what went around them."""
    if name == "resnet50":
        return [layer.bn3 for layer in net.modules() if hasattr(layer, "bn3")]
    return [layer.block[-1][1] for layer in net.modules() if getattr(layer, "use_res_connect", False)]


def features(name: str, net: Any, grey: torch.Tensor) -> torch.Tensor:
    """What the head gets, ``(n, features)``."""
    kept: list[torch.Tensor] = []
    hook = head_of(name, net).register_forward_pre_hook(lambda _layer, given: kept.append(given[0]))
    try:
        with torch.no_grad():
            for part in torch.split(grey, _BATCH):
                net(normalised(part))
    finally:
        hook.remove()
    return torch.cat(kept)
