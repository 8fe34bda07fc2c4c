"""How well a demonstration package does on phantoms that it has not seen."""

from collections.abc import Mapping

import numpy as np

from ainode_models.demo.recipe import Recipe
from ainode_models.dice import dice
from ainode_models.package import ModelPackage
from ainode_models.runtime import runtime_for

_HELD_OUT = 1 << 32
"""Seeds of held-out cases start here, beyond any that a training spawns from."""


def held_out_dice(package: ModelPackage, recipe: Recipe, *, cases: int) -> Mapping[str, float]:
    """Mean Dice of every label over ``cases`` held-out phantoms in which it occurs."""
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    scores: dict[str, list[float]] = {label.name: [] for label in package.manifest.labels}
    for number in range(cases):
        phantom = recipe.case(np.random.default_rng(_HELD_OUT + number))
        answer = runtime.predict(phantom.volumes).label_map
        for label in package.manifest.labels:
            truth = phantom.labels == label.value
            if truth.any():
                scores[label.name].append(dice(answer == label.value, truth))
    return {name: float(np.mean(values)) for name, values in scores.items()}
