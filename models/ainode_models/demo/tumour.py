"""Brain tumours: a necrotic core, an enhancing rim and oedema around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.demo.grid import Floats, Grid, Triple, Waves
from ainode_models.demo.head import Head, Tissue

NECROSIS, OEDEMA, ENHANCING = 1, 2, 3
"""Values of the labels, in the order of the BraTS challenges before 2023."""


@dataclass(frozen=True)
class Tumour:
    """One irregular lesion; lengths in mm."""

    centre: Triple
    core: float
    """Mean radius of the necrosis."""
    rim: float
    """Thickness of the enhancing rim."""
    oedema: float
    """Thickness of the oedema around the rim."""
    shape: Waves
    thickness: Waves
    spread: Waves

    @classmethod
    def draw(cls, rng: np.random.Generator, head: Head) -> "Tumour":
        """A lesion somewhere in the cerebrum of ``head``."""
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        direction[2] = abs(direction[2])
        place = direction * rng.uniform(0.25, 0.5) * np.asarray(head.axes)
        return cls(
            centre=(float(place[0]), float(place[1]), float(place[2]) - 6.0),
            core=rng.uniform(9, 16),
            rim=rng.uniform(5, 8),
            oedema=rng.uniform(7, 15),
            shape=Waves.draw(rng, rng.uniform(1.0, 2.2), wavelength=(22, 50)),
            thickness=Waves.draw(rng, 0.8, wavelength=(20, 50)),
            spread=Waves.draw(rng, 3.0, wavelength=(30, 70)),
        )

    def layers(self, grid: Grid, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Signed distances to necrosis, to the outside of the rim and to the outside of the oedema."""
        offset = points - np.asarray(self.centre, dtype=np.float32).reshape(3, 1, 1, 1)
        radius = np.sqrt((offset**2).sum(axis=0)) + self.shape.on(grid)
        rim = self.rim + self.thickness.on(grid)
        return (
            radius - self.core,
            radius - self.core - rim,
            radius - self.core - rim - self.oedema + self.spread.on(grid),
        )


def grow(
    tumours: Sequence[Tumour], head: Head, *, grid: Grid, points: Floats, tissue: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Replace brain by tumour in ``tissue`` (in place) and return the labels of the same shape.

    Lesions stay within the skull and press sulci shut; oedema spares the ventricles, the mass fills them.
    """
    labels = np.zeros(grid.shape, dtype=np.uint8)
    if not tumours:
        return labels
    layers = zip(*(tumour.layers(grid, points) for tumour in tumours), strict=True)
    core, rim, spread = (np.min(layer, axis=0) for layer in layers)
    labels[(head.parenchyma(grid, points) < 0) & (spread < 0)] = OEDEMA
    inside = head.brain(grid, points) < -head.sulci
    labels[inside & (rim < 0)] = ENHANCING
    labels[inside & (core < 0)] = NECROSIS
    for label, kind in ((NECROSIS, Tissue.NECROSIS), (OEDEMA, Tissue.OEDEMA), (ENHANCING, Tissue.ENHANCING)):
        tissue[labels == label] = kind
    return labels
