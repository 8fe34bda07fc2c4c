"""The anatomy of a head, as a function of patient millimetres."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ainode_models.demo.grid import Floats, Grid, Triple, Waves


class Tissue(IntEnum):
    """What fills a voxel; also the index into a contrast."""

    AIR = 0
    SCALP = 1
    SKULL = 2
    CSF = 3
    GREY = 4
    WHITE = 5
    MUSCLE = 6
    CAVITY = 7
    VESSEL = 8
    NECROSIS = 9
    OEDEMA = 10
    ENHANCING = 11


def ellipsoid(points: Floats, centre: Triple, *, axes: Triple) -> Floats:
    """Approximate signed distance in mm to an ellipsoid, negative inside; ``points`` as `Grid.points`."""
    half = np.asarray(axes, dtype=np.float32).reshape(3, 1, 1, 1)
    unit = (points - np.asarray(centre, dtype=np.float32).reshape(3, 1, 1, 1)) / half
    radius = np.sqrt((unit**2).sum(axis=0)) + 1e-6
    slope = np.sqrt(((unit / half) ** 2).sum(axis=0)) + 1e-9
    distance: Floats = radius * (radius - 1) / slope
    return distance


def blend(first: Floats, second: Floats, *, width: float) -> Floats:
    """Union of two signed distances with a fillet of ``width`` mm."""
    share = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    union: Floats = second + (first - second) * share - width * share * (1 - share)
    return union


@dataclass(frozen=True)
class Head:
    """One person's head; the origin is the middle of the cranium. All lengths in mm."""

    axes: Triple
    """Half axes of the cranium along L, P, S, scalp included."""
    scalp: float
    skull: float
    sulci: float
    """Thickness of the CSF under the skull."""
    cortex: float
    girth: tuple[float, float]
    """Half axes of the neck along L and P."""
    shoulders: float
    """Height (negative) below which the neck widens."""
    ventricle: float
    """Size of the lateral ventricles, 1 is average."""
    surface: Waves
    folds: Waves
    layers: Waves
    neck: Waves

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Head":
        """A random head."""
        scale = rng.uniform(0.94, 1.06)
        axes = scale * np.array([76.0, 95.0, 78.0]) * rng.uniform(0.97, 1.03, size=3)
        return cls(
            axes=(float(axes[0]), float(axes[1]), float(axes[2])),
            scalp=rng.uniform(3.5, 8),
            skull=rng.uniform(4, 8),
            sulci=rng.uniform(1.5, 4),
            cortex=rng.uniform(5, 9),
            girth=(rng.uniform(50, 72), rng.uniform(56, 80)),
            shoulders=rng.uniform(-170, -115),
            ventricle=rng.uniform(0.7, 1.4),
            surface=Waves.draw(rng, 1.5, wavelength=(50, 120)),
            folds=Waves.draw(rng, 3.5, wavelength=(26, 48), count=64),
            layers=Waves.draw(rng, 0.8, wavelength=(25, 70)),
            neck=Waves.draw(rng, 1.0, wavelength=(9, 30), count=32),
        )

    def depth(self, grid: Grid, points: Floats) -> Floats:
        """Signed distance to the skin of the cranium, face and neck, negative inside."""
        x, y, z = points
        _, back, up = self.axes
        face = ellipsoid(points, (0.0, -0.45 * back, -0.75 * up), axes=(58.0, 52.0, 74.0))
        wide, deep = self.girth
        radius = np.hypot(x / wide, (y - 0.12 * back + 0.1 * z) / deep) * wide
        radius -= np.maximum(self.shoulders - z, 0)
        neck = np.maximum(radius - wide, z + 0.4 * up).astype(np.float32)
        skin = blend(blend(self.cranium(points), face, width=22.0), neck, width=24.0)
        return skin + self.surface.on(grid)

    def cranium(self, points: Floats) -> Floats:
        """Signed distance to the ellipsoid of the cranium, scalp included."""
        return ellipsoid(points, (0.0, 0.0, 0.0), axes=self.axes)

    def brain(self, grid: Grid, points: Floats) -> Floats:
        """Signed distance to the inner table of the skull, negative inside."""
        _, _, up = self.axes
        vault = self.cranium(points) + self.surface.on(grid) + self.scalp + self.skull + self.layers.on(grid)
        base = -0.62 * up - points[2] - 0.12 * points[1]
        inside: Floats = np.maximum(vault, base)
        return inside

    def tissues(self, grid: Grid, points: Floats) -> NDArray[np.uint8]:
        """`Tissue` of every voxel, ``(slices, rows, columns)``."""
        depth = self.depth(grid, points)
        texture = self.neck.on(grid)
        tissue = np.full(grid.shape, Tissue.AIR, dtype=np.uint8)
        tissue[depth < 0] = Tissue.SCALP
        tissue[depth < -self.scalp] = Tissue.MUSCLE
        tissue[(depth < -self.scalp) & (texture > 1.1)] = Tissue.SCALP
        self._bones(points, tissue)
        self._intracranial(grid, points, tissue)
        return tissue

    def _bones(self, points: Floats, tissue: NDArray[np.uint8]) -> None:
        _, back, up = self.axes
        skin = tissue != Tissue.AIR
        spine = np.hypot(points[0], points[1] - 0.25 * back)
        below = points[2] < -0.6 * up
        tissue[skin & below & (spine < 17) & (np.sin(points[2] / 3.2) > -0.6)] = Tissue.SKULL
        tissue[skin & below & (spine < 7)] = Tissue.WHITE
        airway = np.hypot(points[0] / 1.3, points[1] + 0.12 * back)
        tissue[skin & (points[2] < -0.75 * up) & (airway < 9)] = Tissue.CAVITY
        for side in (-1.0, 1.0):
            sinus = ellipsoid(points, (side * 26, -0.62 * back, -0.72 * up), axes=(14.0, 15.0, 16.0))
            carotid = np.hypot(points[0] - side * 30, points[1] - 0.02 * back)
            tissue[skin & (sinus < 0)] = Tissue.CAVITY
            tissue[skin & below & (carotid < 3.5)] = Tissue.VESSEL
        nose = ellipsoid(points, (0.0, -0.6 * back, -0.7 * up), axes=(9.0, 28.0, 20.0))
        tissue[skin & (nose < 0)] = Tissue.CAVITY

    def parenchyma(self, grid: Grid, points: Floats) -> Floats:
        """Signed distance to the brain without its outer CSF and ventricles, sulci counted as brain."""
        outside: Floats = np.maximum(self.brain(grid, points) + self.sulci, -self._ventricles(grid, points))
        return outside

    def _ventricles(self, grid: Grid, points: Floats) -> Floats:
        axes = (7 * self.ventricle, 34.0, 9 * self.ventricle)
        left, right = (ellipsoid(points, (side * 13.0, 2.0, 12.0), axes=axes) for side in (1.0, -1.0))
        horns: Floats = np.minimum(left, right) + 0.3 * self.folds.on(grid)
        return horns

    def _intracranial(self, grid: Grid, points: Floats, tissue: NDArray[np.uint8]) -> None:
        brain = self.brain(grid, points)
        folds = np.abs(self.folds.on(grid))
        skin = tissue != Tissue.AIR
        tissue[skin & (brain < self.skull)] = Tissue.SKULL
        tissue[skin & (brain < 0)] = Tissue.CSF
        tissue[skin & (brain < -self.sulci) & (folds > 0.7 * (1 + brain / 24))] = Tissue.GREY
        white = (brain < -self.sulci - 0.6 * self.cortex) & (folds > 2.4 * (1 + brain / 28))
        tissue[skin & white] = Tissue.WHITE
        tissue[skin & (brain < -3) & (np.abs(points[0]) < 1.2) & (points[2] > 8)] = Tissue.CSF
        tissue[skin & (self._ventricles(grid, points) < 0)] = Tissue.CSF
