"""Where the windows of a network lie in an image, how they are weighted, and smaller ones for want of memory."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.nnunet.resampling import Shape

Window = tuple[slice, ...]

_ANY_SIZE = ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet")
"""Networks of convolutions only. Others, such as the transformer Primus, know one size, for which they were built."""
_HIGHEST = 10.0
"""nnU-Net's ``value_scaling_factor``."""


def windows(size: Shape, patch: Shape, step: float) -> list[Window]:
    """Windows of ``patch`` that cover ``size``, ``step`` patches apart at most (``compute_steps_for_sliding_window``).

    A 2-D patch goes over every slice of the first axis: its windows are one voxel thick there.
    """
    flat = len(size) - len(patch)
    sides = (*(1 for _ in range(flat)), *patch)
    starts = [list(range(whole)) for whole in size[:flat]]
    starts += [_starts(whole, side, step) for whole, side in zip(size[flat:], patch, strict=True)]
    return [
        tuple(slice(start, start + side) for start, side in zip(corner, sides, strict=True))
        for corner in itertools.product(*starts)
    ]


def _starts(whole: int, side: int, step: float) -> list[int]:
    count = math.ceil((whole - side) / (side * step)) + 1
    gap = (whole - side) / (count - 1) if count > 1 else 0.0
    return [int(np.round(gap * number)) for number in range(count)]


@lru_cache(maxsize=8)
def bell(patch: Shape) -> NDArray[np.float32]:
    """The weights of a window's answer: nnU-Net's Gaussian (``compute_gaussian``), rounded as there."""
    point = np.zeros(patch)
    point[tuple(side // 2 for side in patch)] = 1
    weights = ndimage.gaussian_filter(point, [side / 8 for side in patch], mode="constant")
    rounded = (weights / weights.max() * _HIGHEST).astype(np.float16)
    rounded[rounded == 0] = rounded[rounded > 0].min()
    weights_used: NDArray[np.float32] = rounded.astype(np.float32)
    return weights_used


def smaller_patches(architecture: Mapping[str, Any], patch: Shape) -> Iterator[Shape]:
    """Smaller and smaller windows that the network can take: each the one before with its longest side halved.

    No side becomes less than half of what the plans say: instance normalisation takes mean and deviation of the
    window, which are the less what the network learnt the smaller the window is. Sides stay multiples of the network's
    strides, and its coarsest map keeps two voxels, without which instance normalisation has no deviation.
    """
    if str(architecture.get("network_class_name", "")).rpartition(".")[2] not in _ANY_SIZE:
        return
    strides = _strides(architecture["arch_kwargs"]["strides"], len(patch))
    halves = [math.ceil(side / 2 / stride) * stride for side, stride in zip(patch, strides, strict=True)]
    window = list(patch)
    for _ in patch:
        sides = [axis for axis, side in enumerate(window) if halves[axis] < side]
        if not sides:
            return
        longest = max(sides, key=lambda axis: window[axis])
        window[longest] = halves[longest]
        if math.prod(side // stride for side, stride in zip(window, strides, strict=True)) < 2:
            return
        yield tuple(window)


def _strides(stages: Sequence[Sequence[int] | int], dimensions: int) -> list[int]:
    """Of the coarsest map, for each axis."""
    each = [stage if isinstance(stage, Sequence) else [stage] * dimensions for stage in stages]
    return [math.prod(steps) for steps in zip(*each, strict=True)]
