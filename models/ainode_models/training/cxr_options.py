"""What a person asks of a training, made into a plan."""

from dataclasses import dataclass, replace
from pathlib import Path

from ainode_models.cxr.nets import NETS
from ainode_models.errors import ConfigError
from ainode_models.training.class_folder import RADIOGRAPHY_DATABASE, ClassFolder, read_class_folders
from ainode_models.training.cxr_plan import CxrPlan
from ainode_models.training.recipe import RECIPES, Recipe
from ainode_models.training.xray_folder import has_masks

MASK_STEPS = 1000
"""In which the lung net learns, unless told otherwise."""


@dataclass(frozen=True)
class CxrOptions:
    """Options as given; None and nothing stand for the default."""

    recipe: str
    nets: tuple[str, ...]
    classes: Path | None
    masks: str
    """``auto``, ``use`` or ``ignore``."""
    epochs: int | None = None
    batch: int | None = None
    head_rate: float | None = None
    body_rate: float | None = None
    draws: int | None = None
    mask_steps: int | None = None

    def plan(self, data: Path, weights: str, patient_pattern: str | None, *, seed: int, device: str) -> CxrPlan:
        """The plan of these options; raises `ConfigError` for one that is not known, `PackageError` for ``classes``."""
        classes = read_class_folders(self.classes or RADIOGRAPHY_DATABASE)
        return CxrPlan(
            data=data,
            classes=classes,
            nets=self._nets(),
            recipe=self._recipe(),
            weights=weights,
            masked=self._masked(data, classes),
            mask_steps=self.mask_steps or MASK_STEPS,
            patient_pattern=patient_pattern,
            seed=seed,
            device=device,
        )

    def _nets(self) -> tuple[str, ...]:
        unknown = set(self.nets) - NETS.keys()
        if unknown or len(set(self.nets)) < len(self.nets):
            raise ConfigError(f"--net: use each of {', '.join(NETS)} at most once, not {', '.join(self.nets)}")
        return self.nets or tuple(NETS)

    def _recipe(self) -> Recipe:
        if self.recipe not in RECIPES:
            raise ConfigError(f"--recipe {self.recipe}: is not known; there are {', '.join(RECIPES)}")
        recipe = RECIPES[self.recipe]
        if self.body_rate is not None and not recipe.body_rate:
            raise ConfigError(f"--body-rate: recipe {self.recipe} freezes the body; leave it out, or use --recipe full")
        if self.draws is not None and not recipe.draws:
            raise ConfigError(f"--draws: recipe {self.recipe} draws anew in every epoch; leave it out")
        if any(rate is not None and not 0 < rate <= 1 for rate in (self.head_rate, self.body_rate)):
            raise ConfigError("--head-rate and --body-rate must lie above 0 and not above 1")
        return replace(
            recipe,
            epochs=self.epochs or recipe.epochs,
            batch=self.batch or recipe.batch,
            head_rate=self.head_rate or recipe.head_rate,
            body_rate=self.body_rate or recipe.body_rate,
            draws=self.draws or recipe.draws,
        )

    def _masked(self, data: Path, classes: tuple[ClassFolder, ...]) -> bool:
        if self.masks not in ("auto", "use", "ignore"):
            raise ConfigError(f"--masks {self.masks}: is not known; use auto, use or ignore")
        return self.masks == "use" or (self.masks == "auto" and has_masks(data, classes))
