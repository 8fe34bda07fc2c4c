"""The ways in which networks expect the intensities of a channel."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def _zscore(channel: Floats) -> Floats:
    return _standard(channel, np.ones(channel.shape, dtype=bool))


def _zscore_nonzero(channel: Floats) -> Floats:
    """Mean and deviation of the voxels that are not 0, which the background of a skull-stripped head is; it stays 0."""
    return _standard(channel, channel != 0)


def _standard(channel: Floats, inside: NDArray[np.bool_]) -> Floats:
    values = channel[inside].astype(np.float64)
    if not values.size:
        return channel
    standard = (channel - values.mean()) / max(float(values.std()), 1e-8)
    return np.where(inside, standard, 0).astype(np.float32)


def _minmax(channel: Floats) -> Floats:
    low, high = float(channel.min()), float(channel.max())
    return ((channel - low) / max(high - low, 1e-8)).astype(np.float32)


def _none(channel: Floats) -> Floats:
    return channel


NORMALISATIONS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {"zscore-nonzero": _zscore_nonzero, "zscore": _zscore, "minmax": _minmax, "none": _none}
)
"""By the name in ``[keras] normalise``: what is done with each channel, over the whole volume, before it is sampled."""
