"""Opacities of a synthetic chest, drawn by class; cartoons of what textbooks describe, not simulations."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.ndimage import gaussian_filter

from ainode_models.demo.chest_anatomy import Chest, Plane, View

Opacity = Callable[[np.random.Generator, Chest, View], Plane]


def field(rng: np.random.Generator, shape: tuple[int, int], *, grain: float) -> Plane:
    """Smooth noise of mean 0 and deviation 1; ``grain`` is its size in parts of the picture."""
    noise = gaussian_filter(rng.normal(size=shape), grain * min(shape), mode="reflect")
    return np.asarray(noise / noise.std())


def _ground_glass(rng: np.random.Generator, chest: Chest, view: View) -> Plane:
    """COVID-19: faint patches on both sides, in the outer and lower parts."""
    haze = np.zeros_like(view.x)
    for side in (-1, 1):
        for _ in range(rng.integers(3, 6)):
            x = side * chest.cage[0] * rng.uniform(0.62, 0.88)
            y = rng.uniform(-0.15, min(chest.domes) - 0.02)
            haze = np.maximum(haze, rng.uniform(0.55, 1.0) * _blob(view, (x, y), size=rng.uniform(0.13, 0.20)))
    return 0.30 * haze * (1 + 0.15 * field(rng, view.x.shape, grain=0.012))


def _consolidation(rng: np.random.Generator, chest: Chest, view: View) -> Plane:
    """Lung opacity: one dense area with a border, on one side."""
    side = rng.choice((-1, 1))
    x, y = side * chest.cage[0] * rng.uniform(0.45, 0.62), rng.uniform(-0.40, min(chest.domes) - 0.12)
    wavy = 1 + 0.12 * field(rng, view.x.shape, grain=0.04)
    radius = np.hypot((view.x - x) / rng.uniform(0.20, 0.30), (view.y - y) / rng.uniform(0.20, 0.32))
    return np.asarray(rng.uniform(0.40, 0.55) / (1 + np.exp((radius * wavy - 1) * 9)))


def _nothing(_rng: np.random.Generator, _chest: Chest, view: View) -> Plane:
    """Normal."""
    return np.zeros_like(view.x)


def _interstitial(rng: np.random.Generator, chest: Chest, view: View) -> Plane:
    """Viral pneumonia: a net of fine lines and nodules on both sides, denser around the hila."""
    net = np.clip(1 - np.abs(field(rng, view.x.shape, grain=0.010)) * 1.3, 0, 1)
    nodules = np.clip(field(rng, view.x.shape, grain=0.014) - 0.9, 0, 1)
    return rng.uniform(0.24, 0.34) * (0.45 + 0.75 * chest.hila(view)) * (0.7 * net + nodules)


OPACITIES: Mapping[int, Opacity] = MappingProxyType(
    {0: _ground_glass, 1: _consolidation, 2: _nothing, 3: _interstitial}
)
"""By kind: COVID-19, lung opacity, normal, viral pneumonia."""


def _blob(view: View, centre: tuple[float, float], *, size: float) -> Plane:
    return np.exp(-(((view.x - centre[0]) / size) ** 2) - ((view.y - centre[1]) / (1.4 * size)) ** 2)
