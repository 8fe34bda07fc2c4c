"""How the nets of a chest X-ray ensemble are trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed at random."""

    degrees: float
    """Largest rotation, either way."""
    flip_columns: bool
    """Left and right change places in half of the images."""
    flip_rows: bool
    """Head and foot change places in half of the images."""
    scale: float = 0.0
    """Largest change of size, of 1."""
    shift: float = 0.0
    """Largest shift, of the width and height."""
    gamma: float = 1.0
    """Largest exponent of the grey values, and the smallest is its inverse."""


@dataclass(frozen=True)
class Recipe:
    """Optimiser, schedule and data of one training."""

    name: str
    epochs: int
    """At most."""
    patience: int
    """Epochs without a lower loss on the validation images after which it ends."""
    batch: int
    head_rate: float
    """Learning rate of the head."""
    body_rate: float
    """Learning rate of all else; 0 freezes it."""
    schedule: Literal["plateau", "cosine"]
    """``plateau``: a tenth of the rate after 3 epochs without a lower validation loss; ``cosine``: down to 0."""
    augmentation: Augmentation
    draws: int = 0
    """How often the body of a frozen net sees each image, first as it is, then changed anew; epochs take turns with
    them. 0: every epoch, changed anew."""
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False
    """Whether every class is drawn equally often."""
    averaged: bool = False
    """Whether the weights are an exponential moving average over the steps (decay rising to 0.999)."""
    calibrated: bool = False
    """Whether the soft vote is given a temperature, chosen on the validation images."""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "frozen": Recipe(
            name="frozen",
            epochs=30,
            patience=7,
            batch=32,
            head_rate=1e-4,
            body_rate=0.0,
            schedule="plateau",
            augmentation=Augmentation(degrees=5, flip_columns=True, flip_rows=True),
            draws=6,
        ),
        "full": Recipe(
            name="full",
            epochs=25,
            patience=8,
            batch=32,
            head_rate=1e-4,
            body_rate=3e-5,
            schedule="cosine",
            augmentation=Augmentation(
                degrees=10, flip_columns=True, flip_rows=False, scale=0.05, shift=0.05, gamma=1.25
            ),
            weight_decay=1e-4,
            label_smoothing=0.05,
            balanced=True,
            averaged=True,
            calibrated=True,
        ),
    }
)
"""``frozen``: the heads only, as the ensemble of 2024 was trained (about 80 % on the COVID-19 Radiography Database);
``full``: every layer, which others report about 95 % for."""
