"""Ways to run one set of weights: ``[profile.NAME]`` of ``model.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from ainode_models.table import Table

EXACT = "exact"
"""The profile of those who name none: as the network was trained."""
Precision = Literal["fp32", "bf16", "int8"]
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Profile:
    """How the weights are run, and how far that was found to be from the network as trained.

    As trained: in fp32, with the mirroring and the step that the table of the runtime says.
    """

    name: str = EXACT
    precision: Precision = "fp32"
    """Of the network's numbers on a CPU. bf16 needs a CPU that computes it; others, and GPUs, are more exact."""
    mirroring: bool | None = None
    """Whether to average over mirrored images; None as the table of the runtime says."""
    step_size: float | None = None
    """Between windows, in windows; None as the table of the runtime says."""
    cases: int = 0
    """On which it was measured."""
    dice: Mapping[str, float] = field(default_factory=lambda: _NONE)
    """Against the network as trained, over all voxels of these cases, by the name of the label; empty for itself."""

    @classmethod
    def of(cls, name: str, table: Table) -> "Profile":
        """Read ``[profile.NAME]``; raises `PackageError`."""
        table.expect(("precision", "cases", "dice"), ("mirroring", "step_size"))
        words = get_args(Precision)
        precision = table.text("precision", "|".join(words), meaning=f"one of {', '.join(words)}")
        step = table.scalar("step_size", float) if "step_size" in table.entries else None
        if step is not None and not 0 < step <= 1:
            raise table.fault("step_size", "must be above 0 and at most 1")
        dice = table.table("dice")
        return cls(
            name,
            next(word for word in words if word == precision),
            table.scalar("mirroring", bool) if "mirroring" in table.entries else None,
            step,
            table.scalar("cases", int),
            MappingProxyType({label: dice.scalar(label, float) for label in dice.entries}),
        )

    def said(self, precision: str) -> str:
        """For readers of a result that was computed in ``precision``; empty where that was done as trained."""
        if not self.dice or (self.name == EXACT and precision != self.precision):
            return ""
        measured = ", ".join(f"{label} {value:.4f}" for label, value in self.dice.items())
        return f"Computed {self.way}. Dice against the network as trained, over {self.cases} cases: {measured}."

    @property
    def way(self) -> str:
        """In words, such as ``by the profile fast (bf16, not mirrored, 0.75 of a window from one to the next)``."""
        mirrored = {None: "", True: ", mirrored", False: ", not mirrored"}[self.mirroring]
        apart = "" if self.step_size is None else f", {self.step_size:g} of a window from one to the next"
        return f"by the profile {self.name} ({self.precision}{mirrored}{apart})"


def profiles_of(root: Table) -> Mapping[str, Profile]:
    """Every profile of a package by its name, `EXACT` among them; raises `PackageError`."""
    found = {EXACT: Profile()}
    if "profile" in root.entries:
        table = root.table("profile")
        for name in table.entries:
            if not (name.isascii() and name.replace("-", "").isalnum() and name == name.lower()):
                raise table.fault(name, "must be named with lower-case letters, digits and hyphens")
            found[name] = Profile.of(name, table.table(name))
    return MappingProxyType(found)
