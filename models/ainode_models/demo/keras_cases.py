"""Phantoms as a Keras network sees them, and random patches of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.demo.recipe import Recipe
from ainode_models.keras.settings import KerasSettings
from ainode_models.keras.view import View, turn_to
from ainode_models.lattice import Floats
from ainode_models.orientation import to_canonical

_MARGIN = 6
"""Points by which a patch may reach beyond the volume."""


@dataclass(frozen=True)
class Case:
    """One phantom at the points of the network."""

    image: Floats
    """``(channels, *points)``."""
    shares: Floats
    """Share of each class at each point, ``(classes, *points)``."""

    @classmethod
    def draw(cls, recipe: Recipe, settings: KerasSettings, rng: np.random.Generator) -> "Case":
        """A phantom of ``recipe``, seen as the runtime sees a study."""
        phantom = recipe.case(rng)
        canonical, turns = zip(*(to_canonical(phantom.volumes[name]) for name in recipe.inputs), strict=True)
        turn, step = turn_to(settings.axes), canonical[0].spacing
        channels = np.stack([turn.apply(volume.array.astype(np.float32)) for volume in canonical])
        view = View.of(channels, (step[turn.axes[0]], step[turn.axes[1]], step[turn.axes[2]]), settings)
        labels = turn.apply(turns[0].apply(phantom.labels))
        masks = np.stack([labels == value for value in settings.values]).astype(np.float32)
        return cls(_widened(view.image), _with_background(_widened(view.lattice.sample(masks))))

    def patch(self, shape: Sequence[int], rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A random patch, mirrored and brightened at random: ``(1, *shape, channels)`` and ``(1, *shape, classes)``."""
        starts = [rng.integers(size - wanted + 1) for size, wanted in zip(self.image.shape[1:], shape, strict=True)]
        place = tuple(slice(start, start + wanted) for start, wanted in zip(starts, shape, strict=True))
        flips = tuple(axis for axis in (1, 2, 3) if rng.random() < 0.3)
        image, shares = (np.flip(each[(slice(None), *place)], flips) for each in (self.image, self.shares))
        per_channel = (len(image), 1, 1, 1)
        scale, shift = rng.uniform(0.85, 1.15, per_channel), rng.uniform(-0.15, 0.15, per_channel)
        noise = rng.normal(0, rng.uniform(0, 0.15), size=image.shape)
        return _last(image * scale + shift + noise), _last(shares)


def _widened(array: Floats) -> Floats:
    return np.pad(array, [(0, 0), *[(_MARGIN, _MARGIN)] * 3])


def _with_background(shares: Floats) -> Floats:
    shares[0] = np.maximum(1 - shares[1:].sum(axis=0), 0)
    return shares


def _last(array: NDArray[np.floating]) -> Floats:
    return np.ascontiguousarray(np.moveaxis(array, 0, -1)[None], dtype=np.float32)
