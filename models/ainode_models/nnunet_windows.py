"""Windows smaller than those that an nnU-Net was trained on, which take less memory. Imports torch and nnunetv2."""

import math
from collections.abc import Iterator
from typing import Any

from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet, ResidualUNet

Patch = tuple[int, ...]

_ANY_SIZE = (PlainConvUNet, ResidualEncoderUNet, ResidualUNet)
"""Networks of convolutions only. Others, such as the transformer Primus, know one size, for which they were built."""


def smaller_patches(network: Any, patch: Patch) -> Iterator[Patch]:
    """Smaller and smaller windows that ``network`` can take: each the one before with its longest side halved.

    No side becomes less than half of what the plans say: instance normalisation takes mean and deviation of the
    window, which are the less what the network learnt the smaller the window is. Sides stay multiples of the network's
    strides, and its coarsest map keeps two voxels, without which instance normalisation has no deviation.
    """
    unet = getattr(network, "_orig_mod", network)  # torch.compile wraps it
    if not isinstance(unet, _ANY_SIZE):
        return
    strides = [math.prod(steps) for steps in zip(*unet.encoder.strides, strict=True)]
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
