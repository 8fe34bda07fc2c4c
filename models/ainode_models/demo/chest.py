"""Synthetic frontal chest radiographs with lung masks: for demonstration and tests, not for learning medicine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ainode_models.demo.chest_anatomy import Chest, Plane, View
from ainode_models.demo.chest_disease import OPACITIES, field

KINDS = ("COVID-19", "Lung opacity", "Normal", "Viral pneumonia")
"""What ``kind`` counts."""


@dataclass(frozen=True)
class ChestPhantom:
    """One picture and its truth."""

    image: NDArray[np.float32]
    """``(rows, columns)``, 0 black to 1 white."""
    lungs: NDArray[np.bool_]
    """``(rows, columns)``."""
    patient: str
    """Pictures of one patient share the build of the chest; two seeds in a row are one patient."""
    kind: int
    """Index into `KINDS`."""


def chest_phantom(seed: int, kind: int) -> ChestPhantom:
    """The same picture for the same arguments; sizes vary around 256 x 256.

    ``seed`` >= 0; ``kind`` is an index into `KINDS`.
    """
    patient = seed // 2
    chest = Chest.draw(np.random.default_rng([patient, 0]))
    rng = np.random.default_rng([seed, kind, 1])
    view = _view(rng)
    lungs = chest.lungs(view)
    density = density_of(rng, chest, view=view, lungs=lungs, opacity=OPACITIES[kind](rng, chest, view))
    return ChestPhantom(expose(rng, density), lungs, f"phantom-{patient:05d}", kind)


def _view(rng: np.random.Generator) -> View:
    shape = (int(rng.integers(240, 288)), int(rng.integers(240, 288)))
    shift = (rng.uniform(-0.04, 0.04), rng.uniform(-0.05, 0.05))
    return View.of(shape, shift=shift, scale=rng.uniform(0.94, 1.08), turn=rng.normal(0, 0.025))


def density_of(
    rng: np.random.Generator, chest: Chest, *, view: View, lungs: NDArray[np.bool_], opacity: Plane
) -> Plane:
    """What the beam meets on its way, as it shows: air 0, abdomen about 1."""
    blur = 0.006 * min(lungs.shape)
    air = gaussian_filter(lungs.astype(float), blur)
    depth = np.sqrt(np.clip(chest.inside_cage(view), 0, 1))
    thorax = chest.thorax(view)
    abdomen = np.clip((view.y - min(chest.domes)) * 3, 0, 1) * thorax
    heart = np.clip(chest.in_heart(view) * 4, 0, 1)
    vessels = np.clip(np.abs(field(rng, lungs.shape, grain=0.008)) - 1.1, 0, 1) * chest.hila(view)
    tissue = 0.62 * thorax + 0.16 * abdomen + 0.10 * heart * (1 - air)
    aerated = tissue - air * (0.24 + 0.24 * depth) + air * (0.10 * vessels + opacity)
    return gaussian_filter(aerated + 0.13 * chest.bones(view) * (thorax > 0.05), blur / 3)


def expose(rng: np.random.Generator, density: Plane) -> NDArray[np.float32]:
    """Gain, contrast, scatter and noise of one machine; clipped like a detector."""
    rows, columns = density.shape
    slope = np.linspace(-1, 1, rows)[:, None] * rng.normal(0, 0.02) + np.linspace(-1, 1, columns) * rng.normal(0, 0.02)
    shown = np.clip(density * rng.uniform(0.88, 1.08) + rng.uniform(-0.03, 0.06) + slope, 0, None)
    shown = shown ** rng.uniform(0.8, 1.2) + rng.normal(0, rng.uniform(0.004, 0.015), density.shape)
    return np.clip(shown, 0, 1).astype(np.float32)
