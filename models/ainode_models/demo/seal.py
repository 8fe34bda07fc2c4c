"""Write the sums of the weights and the figures of the training into a package's ``model.toml``."""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from ainode_models.demo.recipe import Recipe
from ainode_models.package import MANIFEST


def seal_weights(folder: Path) -> None:
    """Put the SHA-256 of every weights file beside its path."""

    def summed(match: re.Match[str]) -> str:
        digest = hashlib.sha256((folder / match["path"]).read_bytes()).hexdigest()
        return f'path = "{match["path"]}"\nsha256 = "{digest}"'

    _rewrite(folder, r'path = "(?P<path>[^"]+)"\nsha256 = "[^"]*"', summed)


def seal_training(folder: Path, recipe: Recipe, *, seed: int, dice: Mapping[str, float], today: date) -> None:
    """Put the facts of this training into ``[training]``."""
    facts = {
        "completed": today.isoformat(),
        "cases": recipe.cases,
        "seed": seed,
        "epochs": recipe.epochs,
        "dice": "{ " + ", ".join(f'"{name}" = {value:.3f}' for name, value in dice.items()) + " }",
    }
    for key, value in facts.items():
        _rewrite(folder, rf"(?m)^{key} = .*$", f"{key} = {value}")


def _rewrite(folder: Path, pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> None:
    file = folder / MANIFEST
    file.write_text(re.sub(pattern, replacement, file.read_text(encoding="utf-8")), encoding="utf-8")
