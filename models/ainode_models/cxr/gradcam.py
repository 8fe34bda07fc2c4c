"""Where a net looked for a class: Grad-CAM (Selvaraju et al. 2017, equations 1 and 2)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import relu

from ainode_models.cxr.nets import head_of, last_maps_of

Maps = NDArray[np.float32]


def gradcam(name: str, net: Any, image: torch.Tensor) -> Maps:
    """A map for each class, ``(classes, rows, columns)`` of the last maps, each 0 to 1 by its own maximum.

    ``image`` is ``(1, 3, 224, 224)``, normalised. All zeros where nothing speaks for a class. The maps are those
    that the pooling sees, after the last activation; the score is the logit. Only the head is differentiated.
    """
    maps = _last_maps(name, net, image).requires_grad_()
    with torch.enable_grad():
        scores = head_of(name, net)(maps.mean(dim=(2, 3)))[0]
        cams = [_cam(maps, torch.autograd.grad(score, maps, retain_graph=True)[0]) for score in scores]
    return np.stack(cams)


def _last_maps(name: str, net: Any, image: torch.Tensor) -> torch.Tensor:
    kept: list[torch.Tensor] = []
    hook = last_maps_of(name, net).register_forward_hook(lambda _layer, _given, maps: kept.append(maps))
    try:
        with torch.no_grad():
            net(image)
    finally:
        hook.remove()
    # DenseNet's own forward applies it after this layer; the others have nothing below 0, or want it kept
    return relu(kept[0]) if name == "densenet121" else kept[0]


def _cam(maps: torch.Tensor, gradient: torch.Tensor) -> Maps:
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = relu((weights * maps).sum(dim=1)[0].detach())
    return np.asarray((cam / cam.max().clamp(min=torch.finfo(cam.dtype).tiny)).cpu().numpy())
