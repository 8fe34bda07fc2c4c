"""How each demonstration package is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ainode_models.demo.grid import Orientation, Triple
from ainode_models.demo.phantom import Phantom, brain_tumour_phantom, t1_head_phantom

_ORIENTATIONS: tuple[Orientation, ...] = ("axial", "axial", "sagittal", "coronal")


@dataclass(frozen=True)
class Recipe:
    """Data, network and schedule of one training."""

    name: str
    """Name of the model package."""
    dataset: int
    """Number of the nnU-Net dataset."""
    inputs: tuple[str, ...]
    """In the order of the channels."""
    labels: Mapping[str, int]
    case: Callable[[np.random.Generator], Phantom]
    """Makes one case."""
    spacing: Triple
    """What the network sees, mm in canonical axes (slice, row, column)."""
    patch: tuple[int, int, int]
    features: tuple[int, ...]
    """Channels of each stage."""
    cases: int
    """Training cases; a tenth of them is nnU-Net's own validation."""
    epochs: int
    iterations: int
    """Iterations of each epoch, of two patches each."""


def _spacing(rng: np.random.Generator, slices: tuple[float, float], plane: tuple[float, float]) -> Triple:
    in_plane = rng.uniform(*plane)
    return (rng.uniform(*slices), in_plane, in_plane * rng.uniform(0.95, 1.05))


def _orientation(rng: np.random.Generator) -> Orientation:
    return _ORIENTATIONS[int(rng.integers(len(_ORIENTATIONS)))]


def brain_tumour_case(rng: np.random.Generator) -> Phantom:
    """A brain with none, one or two tumours, on a random grid."""
    return brain_tumour_phantom(
        rng,
        orientation=_orientation(rng),
        spacing=_spacing(rng, (2.0, 3.5), (1.2, 2.0)),
        oblique_degrees=rng.uniform(0, 12),
        tumours=int(rng.choice([0, 1, 1, 1, 2, 2])),
    )


def t1_head_case(rng: np.random.Generator) -> Phantom:
    """A head on a random grid."""
    return t1_head_phantom(
        rng,
        orientation=_orientation(rng),
        spacing=_spacing(rng, (2.5, 4.5), (2.0, 4.0)),
        oblique_degrees=rng.uniform(0, 15),
    )


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                name="brain-tumour-demo",
                dataset=901,
                inputs=("T1", "T1c", "T2", "FLAIR"),
                labels=MappingProxyType({"background": 0, "necrosis": 1, "oedema": 2, "enhancing": 3}),
                case=brain_tumour_case,
                spacing=(2.0, 2.0, 2.0),
                patch=(48, 48, 48),
                features=(8, 16, 32, 64),
                cases=60,
                epochs=34,
                iterations=60,
            ),
            Recipe(
                name="t1-head-demo",
                dataset=902,
                inputs=("T1",),
                labels=MappingProxyType({"background": 0, "head": 1}),
                case=t1_head_case,
                spacing=(4.0, 4.0, 4.0),
                patch=(48, 48, 48),
                features=(8, 16, 32, 64),
                cases=80,
                epochs=16,
                iterations=100,
            ),
        )
    }
)
