"""Write the facts of the ensemble's training into its ``model.toml``."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from ainode_models.package import MANIFEST


def seal_backbone(folder: Path, name: str, *, seed: int, sha256: str) -> None:
    """Put seed and sum of the drawn convolutions beside the net ``name``."""
    line = f'backbone = {{ seed = {seed}, sha256 = "{sha256}" }}'
    _rewrite(folder, rf'(name = "{name}"\nfile = "[^"]*"\n)backbone = .*', rf"\g<1>{line}")


def seal_accuracy(folder: Path, accuracy: Mapping[str, float], *, cases: int, held_out: int, today: date) -> None:
    """Put date, number of phantoms and accuracy on unseen ones into ``[training]``."""
    figures = ", ".join(f"{name} {value:.1%}".replace("%", " %") for name, value in accuracy.items())
    _rewrite(folder, r"(?m)^completed = .*$", f"completed = {today.isoformat()}")
    _rewrite(folder, r"(?m)^cases = .*$", f"cases = {cases}")
    facts = f"Phantoms of ainode_models.demo.chest; no patient data. Right on {held_out} held-out ones: {figures}."
    _rewrite(folder, r"(?m)^data = .*$", f'data = "{facts}"')


def _rewrite(folder: Path, pattern: str, replacement: str) -> None:
    file = folder / MANIFEST
    file.write_text(re.sub(pattern, replacement, file.read_text(encoding="utf-8")), encoding="utf-8")
