"""What an MR scanner makes of an anatomy: contrast, texture, bias field, blur, wrap-around, Rician noise."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.demo.grid import Floats, Grid, Waves
from ainode_models.demo.head import Tissue

MAXIMUM = 4095.0
"""Largest intensity, so that a phantom fits 12 stored bits."""


def contrast(means: Mapping[Tissue, float]) -> Floats:
    """Table of mean intensity by `Tissue`; what is not named is as dark as air."""
    table = np.zeros(len(Tissue), dtype=np.float32)
    for tissue, mean in means.items():
        table[tissue] = mean
    return table


@dataclass(frozen=True)
class Scan:
    """Everything that differs between two scans of one anatomy."""

    means: Floats
    """Mean intensity by `Tissue`."""
    texture: Waves
    """Relative variation within a tissue."""
    bias: Waves
    """Logarithm of the coil sensitivity."""
    fall_off: float
    """Loss of signal towards the neck, per mm below the origin."""
    noise: float
    """Standard deviation of the noise of each complex channel."""
    wrap: float
    """Share of the signal that folds over by a third of the field of view along the rows."""
    gain: float

    def acquire(
        self, tissue: NDArray[np.uint8], grid: Grid, *, points: Floats, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Image of ``tissue`` on ``grid``: whole numbers from 0 to `MAXIMUM` as float32."""
        signal = self.means[tissue] * (1 + self.texture.on(grid))
        signal *= np.exp(self.bias.on(grid) + self.fall_off * np.minimum(points[2] + 40, 0))
        signal = ndimage.gaussian_filter(signal, 0.45)
        if self.wrap:
            signal += self.wrap * np.roll(signal, signal.shape[1] // 3, axis=1)
        real, imaginary = rng.normal(0, self.noise, size=(2, *grid.shape)).astype(np.float32)
        magnitude = np.hypot(signal + real, imaginary) * self.gain
        image: Floats = np.clip(np.rint(magnitude), 0, MAXIMUM).astype(np.float32)
        return image
