"""What a network sees of a study: its axes, intensities and points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.keras.normalise import NORMALISATIONS
from ainode_models.keras.settings import KerasSettings, Triple
from ainode_models.lattice import Axis, Floats, Lattice
from ainode_models.orientation import Reorientation

_CANONICAL = "SPL"
"""Where the axes of `ainode_models.orientation` run to."""

_LINES = ("SI", "PA", "LR")
"""For each canonical axis, its two directions, its own first."""


def turn_to(axes: str) -> Reorientation:
    """From canonical axes to those that run to ``axes``, for example ``LPS``."""
    numbers = [next(n for n, line in enumerate(_LINES) if letter in line) for letter in axes]
    flips = [letter not in _CANONICAL for letter in axes]
    return Reorientation((numbers[0], numbers[1], numbers[2]), (flips[0], flips[1], flips[2]))


@dataclass(frozen=True)
class View:
    """Channels at the points of a lattice."""

    lattice: Lattice
    image: Floats
    """``(channels, *points)``."""

    @classmethod
    def of(cls, channels: Floats, spacing: Triple, settings: KerasSettings) -> "View":
        """See ``channels`` (``(channels, *voxels)`` in the network's axes, ``spacing`` in mm) as ``settings`` ask."""
        lattice = _lattice(channels, spacing, settings)
        normalise = NORMALISATIONS[settings.normalise]
        return cls(lattice, lattice.sample(np.stack([normalise(channel) for channel in channels])))


def _lattice(channels: Floats, spacing: Triple, settings: KerasSettings) -> Lattice:
    first, second, third = (_axis(channels, number, spacing, settings) for number in range(3))
    return Lattice((first, second, third))


def _axis(channels: Floats, number: int, spacing: Triple, settings: KerasSettings) -> Axis:
    low, high = _extent(channels, number + 1)
    points = settings.patch[number]
    if settings.fit == "resize":
        return Axis.stretched(low, high, points=points)
    step = settings.spacing[number] / spacing[number] if settings.spacing else 1.0
    return Axis.centred(low, high, step=1.0 if abs(step - 1) < 1e-4 else step, least=points)


def _extent(channels: NDArray[np.float32], axis: int) -> tuple[int, int]:
    """First and one after the last plane with a voxel that is not 0; the whole volume when there is none."""
    others = tuple(n for n in range(channels.ndim) if n != axis)
    planes = np.flatnonzero((channels != 0).any(axis=others))
    return (int(planes[0]), int(planes[-1]) + 1) if planes.size else (0, channels.shape[axis])
