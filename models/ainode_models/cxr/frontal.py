"""Whether a picture looks like a frontal chest, and whether air is dark in it: a template by hand, no learning.

Two dark lungs beside a bright middle, above a bright abdomen. The template is compared at many widths, heights and
places with the picture at 32 x 32. Limits, measured by tests/test_models_cxr_gate.py: it knows neither left from right
nor front from back, and takes other things with two dark parts side by side for a chest, such as an axial CT of one.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 32
ENOUGH = 0.60
"""Correlation from which on a picture looks like a chest."""

_WIDTHS, _HEIGHTS = (0.75, 0.9, 1.05), (0.75, 0.95, 1.2, 2.0, 3.5)
_ASIDE, _DOWN = (-0.12, 0.0, 0.12), (-0.4, -0.2, 0.0, 0.2, 0.4)
_RANGE = (2, 98)
"""Percentiles of the grey values between which a picture is looked at; borders and letters lie outside."""


@dataclass(frozen=True)
class Likeness:
    """Best correlation with the template, -1 to 1."""

    upright: float
    """Of the picture: air is dark."""
    inverted: float
    """Of its negative: air is bright."""

    @property
    def is_negative(self) -> bool:
        """Whether the picture looks more like the negative of a chest than like one."""
        return self.inverted > self.upright

    @property
    def is_chest(self) -> bool:
        """Whether it looks like a frontal chest, either way."""
        return max(self.upright, self.inverted) >= ENOUGH


def likeness(pixels: NDArray[np.float32]) -> Likeness:
    """Compare ``pixels`` (rows, columns), of any size, with the template."""
    small = _standard(_shrunk(pixels)[None])
    scores = (_templates() @ small[0]) / small.shape[1]
    return Likeness(float(scores.max()), float(-scores.min()))


def _templates() -> NDArray[np.float64]:
    """``(templates, pixels)``, each of mean 0 and deviation 1."""
    y, x = (each.ravel() for each in np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j])
    places = product(_WIDTHS, _HEIGHTS, _ASIDE, _DOWN)
    return _standard(np.stack([_chest((x - a) / w, (y - d * min(h, 1)) / h) for w, h, a, d in places]))


def _chest(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Brightness from 0, air, to 1 where the middle of the chest is at 0, 0."""
    lung = 1 - (np.abs(np.abs(x) - 0.45) / 0.31) ** 2.5 - (np.abs(y + 0.05) / (0.72 - 0.1 * x)) ** 3
    beside = np.clip((np.abs(x) - 0.85 - 0.1 * y) * 5, 0, 1)
    neck = np.clip((np.abs(x) - 0.45) * 3, 0, 1) * np.clip((-y - 0.75) * 4, 0, 1)
    body = 0.8 + 0.2 * np.exp(-((x / 0.15) ** 2))
    return np.asarray(body - 0.75 * np.clip(lung * 2.5, 0, 1) - 0.35 * np.maximum(beside, neck))


def _shrunk(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means of 32 x 32 cells, within the range of the percentiles."""
    low, high = np.percentile(pixels, _RANGE)
    edges = [np.linspace(0, size, SIDE + 1).astype(int) for size in pixels.shape]
    whole = np.clip(pixels, low, high).astype(np.float64)
    sums = np.add.reduceat(np.add.reduceat(whole, edges[0][:-1], axis=0), edges[1][:-1], axis=1)
    return np.asarray(sums / np.outer(*(np.diff(each) for each in edges))).ravel()


def _standard(rows: NDArray[Any]) -> NDArray[np.float64]:
    spread = np.maximum(rows.std(axis=1, keepdims=True), 1e-9)
    return np.asarray((rows - rows.mean(axis=1, keepdims=True)) / spread)
