"""The anatomy of a synthetic chest in two dimensions: what lies where, in the picture's own coordinates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """Coordinates of every pixel: ``x`` from -1 at the patient's right to 1, ``y`` from -1 at the head to 1."""

    x: Plane
    y: Plane

    @classmethod
    def of(cls, shape: tuple[int, int], *, shift: tuple[float, float], scale: float, turn: float) -> "View":
        """A view of ``shape`` (rows, columns), moved, enlarged, and turned by ``turn`` radians."""
        rows, columns = shape
        y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
        cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
        return cls(cos * x - sin * y - shift[0], sin * x + cos * y - shift[1])


@dataclass(frozen=True)
class Chest:
    """One patient's build."""

    cage: tuple[float, float]
    """Half width and half height of the rib cage."""
    apex: float
    """``y`` of the top of the lungs."""
    domes: tuple[float, float]
    """``y`` of the diaphragm under the right and the left lung."""
    mediastinum: float
    """Half width between the lungs."""
    heart: tuple[float, float, float, float]
    """``x``, ``y`` and the two half axes of the heart."""
    ribs: int
    rib_slope: float
    rib_phase: float
    soft: float
    """Thickness of fat and muscle over the cage."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Chest":
        """A patient at random."""
        dome = rng.uniform(0.40, 0.60)
        return cls(
            cage=(rng.uniform(0.70, 0.80), rng.uniform(0.92, 1.05)),
            apex=rng.uniform(-0.80, -0.68),
            domes=(dome, dome + rng.uniform(0.02, 0.08)),
            mediastinum=rng.uniform(0.10, 0.15),
            heart=(rng.uniform(0.10, 0.16), dome - 0.22, rng.uniform(0.24, 0.34), rng.uniform(0.24, 0.32)),
            ribs=int(rng.integers(8, 11)),
            rib_slope=rng.uniform(0.25, 0.45),
            rib_phase=rng.uniform(0, 1),
            soft=rng.uniform(0.08, 0.18),
        )

    def inside_cage(self, view: View) -> Plane:
        """Above 0 within the rib cage, 1 at its middle: narrow at the apex, wide at the diaphragm."""
        width, height = self.cage
        return 1 - (np.abs(view.x) / width) ** 2.4 - (np.abs(view.y - 0.25) / height) ** 2.6

    def lungs(self, view: View) -> NDArray[np.bool_]:
        """Both lungs."""
        cage = (self.inside_cage(view) > 0.03) & (view.y > self.apex)
        beside = np.abs(view.x) > self.mediastinum * (1 + 0.5 * np.clip(view.y + 0.2, 0, 1))
        above = np.where(view.x < 0, view.y < self._dome(view, 0), view.y < self._dome(view, 1))
        return cage & beside & above & (self.in_heart(view) < 0)

    def in_heart(self, view: View) -> Plane:
        """Above 0 within the heart."""
        x, y, across, along = self.heart
        return 1 - ((view.x - x) / across) ** 2 - ((view.y - y) / along) ** 2

    def thorax(self, view: View) -> Plane:
        """Thickness of soft tissue, 0 outside the body: neck, shoulders, chest, abdomen."""
        neck = 0.24 + 0.95 * np.clip((view.y + 0.98) / 0.4, 0, 1) ** 0.6
        width = np.where(view.y > -0.6, self.cage[0] + self.soft + 0.25 * np.clip(-view.y - 0.2, 0, 1), neck)
        return np.sqrt(np.clip(1 - (np.abs(view.x) / np.minimum(width, 1.2)) ** 4, 0, 1))

    def bones(self, view: View) -> Plane:
        """Ribs, spine and clavicles, 0 to 1."""
        cage = np.clip(self.inside_cage(view) * 6, 0, 1)
        out = np.abs(view.x)
        behind = (view.y + 0.9 - self.rib_slope * out**1.2) * self.ribs / 1.5 + self.rib_phase
        before = (view.y + 0.9 + 0.55 * out) * self.ribs / 1.5 + self.rib_phase
        ribs = cage * (0.75 * _stripe(behind) + 0.45 * _stripe(before) * np.clip((out - 0.25) * 4, 0, 1))
        spine = np.exp(-((view.x / 0.075) ** 4)) * (0.85 + 0.15 * np.sin(view.y * 40))
        collar = view.y + 0.68 + 0.10 * np.sin(out * 5)
        clavicles = np.exp(-((collar / 0.028) ** 2)) * ((out > 0.06) & (out < 0.72))
        return np.maximum(np.maximum(ribs, 0.9 * spine), 0.9 * clavicles)

    def hila(self, view: View) -> Plane:
        """1 at the roots of the lungs, falling off outwards."""
        return np.exp(-(((np.abs(view.x) - 0.17) / 0.22) ** 2) - ((view.y + 0.02) / 0.35) ** 2)

    def _dome(self, view: View, side: int) -> Plane:
        middle = self.cage[0] * (0.5 if side else -0.5)
        return self.domes[side] + 0.55 * np.abs(view.x - middle) ** 1.6


def _stripe(phase: Plane) -> Plane:
    """Bright bands at whole numbers."""
    return np.clip(np.cos(2 * np.pi * phase) * 1.4, 0, 1) ** 0.8
