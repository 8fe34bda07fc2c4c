"""Whether a picture looks like a frontal chest, and whether air is dark in it: templates by hand, no learning.

The templates are one average chest (`ainode_models.demo.chest_anatomy`, without bones), cut out in several ways, at
32 x 32. Limits, measured by tests/test_models_cxr_gate.py: they know neither left from right nor front from back, and
take other things with two dark parts side by side for a chest, such as an axial CT of one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ainode_models.demo.chest_anatomy import Chest, Plane, View

SIDE = 32
ENOUGH = 0.555
"""Correlation from which on a picture looks like a chest."""

_CHEST = Chest(
    cage=(0.75, 0.98), apex=-0.74, domes=(0.5, 0.55), mediastinum=0.125, heart=(0.13, 0.3, 0.3, 0.28),
    ribs=9, rib_slope=0.35, rib_phase=0.5, soft=0.13,
)  # fmt: skip
_WIDTHS, _ASIDE = (0.8, 0.95, 1.1), (-0.1, 0.0, 0.1)
"""Half width and middle of what a picture shows, where the rib cage is 0.75."""
_HEIGHTS = ((-1.0, 1.0), (-0.85, 0.85), (-0.8, 0.65), (-1.05, 0.75), (-0.75, 1.0), (-0.9, 0.4), (-1.0, -0.3))
"""Top and bottom of what it shows, where the lungs reach from -0.74 to 0.5."""
_RANGE = (2, 98)
"""Percentiles of the grey values between which a picture is looked at; borders and letters lie outside."""


@dataclass(frozen=True)
class Likeness:
    """Best correlation with a template, -1 to 1: mean of the best everywhere and the best within the body."""

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
    """Compare ``pixels`` (rows, columns), of any size, with the templates."""
    small, everywhere = _shrunk(pixels), np.ones((SIDE, SIDE))
    scores = [
        (_correlation(small, chest, everywhere), _correlation(small, chest, body)) for chest, body in _templates()
    ]
    return Likeness(*(float(np.mean(np.max(np.array(scores) * sign, axis=0))) for sign in (1, -1)))


@cache
def _templates() -> tuple[tuple[Plane, Plane], ...]:
    """See `_drawn_templates`; every picture is held against the same."""
    return tuple(_drawn_templates())


def _drawn_templates() -> Iterator[tuple[Plane, Plane]]:
    """Brightness, and weight of each pixel where only the body counts."""
    for width, aside, rows in product(_WIDTHS, _ASIDE, _HEIGHTS):
        y, x = np.meshgrid(np.linspace(*rows, SIDE), np.linspace(aside - width, aside + width, SIDE), indexing="ij")
        view = View(x, y)
        body = _CHEST.thorax(view)
        air = _CHEST.lungs(view) * np.sqrt(np.clip(_CHEST.inside_cage(view), 0, 1))
        middle = np.exp(-((x / 0.15) ** 2))
        yield gaussian_filter((0.8 + 0.2 * middle) * body - 0.7 * air, 0.8), np.where(body > 0.3, 1.0, 0.02)


def _correlation(one: Plane, other: Plane, weight: Plane) -> float:
    share = weight / weight.sum()
    one, other = (each - (share * each).sum() for each in (one, other))
    spread = np.sqrt((share * one**2).sum() * (share * other**2).sum())
    return float((share * one * other).sum() / max(spread, 1e-9))


def _shrunk(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means of 32 x 32 cells, within the range of the percentiles."""
    low, high = np.percentile(pixels, _RANGE)
    edges = [np.linspace(0, size, SIDE + 1).astype(int) for size in pixels.shape]
    whole = np.clip(pixels, low, high).astype(np.float64)
    sums = np.add.reduceat(np.add.reduceat(whole, edges[0][:-1], axis=0), edges[1][:-1], axis=1)
    return np.asarray(sums / np.outer(*(np.diff(each) for each in edges)))
