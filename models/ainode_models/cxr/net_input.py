"""From grey values to what the nets get: 224 x 224."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.ask import Pictures
from ainode_models.cxr.nets import SIDE
from ainode_models.lattice import Axis, along


def resized(pixels: NDArray[Any], side: int = SIDE) -> Pictures:
    """``(rows, columns)`` to ``(1, 1, side, side)`` fp32, whatever its aspect.

    Bilinear with antialiasing: what torchvision's ``Resize((side, side))`` does on tensors. On 8-bit PIL images
    it rounds to whole grey levels besides, which moves values by at most 1/510.
    """
    return brought_to(pixels, (side, side))[None, None]


def brought_to(pixels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The same to any ``shape`` (rows, columns)."""
    grey = np.asarray(pixels, dtype=np.float32)
    for axis, points in enumerate(shape):
        size = grey.shape[axis]
        grey = along(Axis.stretched(0, size, points=points).sampling(size), grey, axis)
    return np.ascontiguousarray(grey)
