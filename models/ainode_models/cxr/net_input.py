"""From grey values to what the nets get: 224 x 224, three channels, ImageNet's normalisation, fp32."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ainode_models.cxr.nets import DEVIATION, MEAN, SIDE


def resized(pixels: NDArray[Any], side: int = SIDE) -> Tensor:
    """``(rows, columns)`` to ``(1, 1, side, side)`` fp32, whatever its aspect.

    Bilinear with antialiasing: what torchvision's ``Resize((side, side))`` does on tensors. On 8-bit PIL images
    it rounds to whole grey levels besides, which moves values by at most 1/510.
    """
    grey = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32))[None, None]
    return interpolate(grey, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def normalised(grey: Tensor) -> Tensor:
    """``(n, 1, rows, columns)``, 0 to 1, as three equal channels with ImageNet's mean and deviation taken off."""
    mean, deviation = (torch.tensor(values, device=grey.device).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (grey.expand(-1, 3, -1, -1) - mean) / deviation
