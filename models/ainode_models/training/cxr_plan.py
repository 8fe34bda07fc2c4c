"""What a training is asked to do."""

from dataclasses import dataclass
from pathlib import Path

from ainode_models.training.class_folder import ClassFolder
from ainode_models.training.recipe import Recipe

VALIDATION, HELD_OUT = 0.1, 0.2
"""Shares of the images that choose among epochs, and that the finished ensemble is measured on."""


@dataclass(frozen=True)
class CxrPlan:
    """Everything that decides the weights of a chest X-ray ensemble, besides the versions of the libraries."""

    data: Path
    classes: tuple[ClassFolder, ...]
    nets: tuple[str, ...]
    """Names of `ainode_models.cxr.nets.NETS`."""
    recipe: Recipe
    weights: str
    """As `ainode_models.training.start_weights.start_net` takes it."""
    masked: bool
    """Whether a lung net learns the masks, and the images are black outside what it finds."""
    mask_steps: int
    """For how many steps of 16 images the lung net learns."""
    patient_pattern: str | None
    seed: int
    device: str
    """``cpu``, ``cuda`` or ``auto``."""
