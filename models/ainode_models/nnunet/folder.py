"""An nnU-Net v2 result folder inside a model package, as the package names it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.profile import Profile
from ainode_models.table import Table


@dataclass(frozen=True)
class NnunetFolder:
    """One result folder and how to run it: the table ``[nnunet]`` of ``model.toml``, or a table within it.

    The last stage of a cascade (``3d_cascade_fullres``) has a table ``previous`` with the same keys for the stage
    before it. An ensemble of several folders has nothing but tables ``[[nnunet.member]]``, each of these keys.
    """

    path: Path
    folds: tuple[int | str, ...]
    """Numbers, or ``all``; more than one makes an ensemble of folds."""
    checkpoint: str
    step_size: float
    """Step between patches, in patches: nnU-Net's ``tile_step_size``."""
    mirroring: bool
    """Whether to average over the mirrored images that the checkpoint allows."""
    previous: "NnunetFolder | None"
    """The folder of the stage before, whose labels are channels of this one."""

    @classmethod
    def of(cls, table: Table, package: Path) -> "NnunetFolder":
        """Read the table of a package in the folder ``package``; raises `PackageError`."""
        table.expect(("folder", "folds"), ("checkpoint", "step_size", "mirroring", "previous"))
        folds = table.entries["folds"]
        if not isinstance(folds, list) or not folds or not all(type(f) is int or f == "all" for f in folds):
            raise table.fault("folds", f'must be a list such as [0] or ["all"], not {folds!r}')
        step_size = table.scalar("step_size", float, default=0.5)
        if not 0 < step_size <= 1:
            raise table.fault("step_size", "must be above 0 and at most 1")
        return cls(
            path=package / table.text("folder"),
            folds=tuple(folds),
            checkpoint=table.text("checkpoint", r"[\w.-]+\.pth", meaning="a file name that ends with .pth")
            if "checkpoint" in table.entries
            else "checkpoint_final.pth",
            step_size=step_size,
            mirroring=table.scalar("mirroring", bool, default=True),
            previous=cls.of(table.table("previous"), package) if "previous" in table.entries else None,
        )

    def by(self, profile: Profile) -> "NnunetFolder":
        """The same, run as ``profile`` says, with the stages before it."""
        return replace(
            self,
            mirroring=self.mirroring if profile.mirroring is None else profile.mirroring,
            step_size=self.step_size if profile.step_size is None else profile.step_size,
            previous=self.previous.by(profile) if self.previous else None,
        )

    @property
    def stages_before(self) -> tuple["NnunetFolder", ...]:
        """The stages that are run before this one, the nearest first."""
        return (self.previous, *self.previous.stages_before) if self.previous else ()

    @property
    def reads_ras(self) -> bool:
        """Whether the network learnt from images in RAS axes: rows to the front, columns to the right."""
        return self.reader.endswith("WithReorient")

    @property
    def reader(self) -> str:
        """nnU-Net's class that read the images which the network learnt from."""
        return str(self.document("plans.json").get("image_reader_writer", "SimpleITKIO"))

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """The checkpoint of every fold."""
        return tuple(self.path / f"fold_{fold}" / self.checkpoint for fold in self.folds)

    @property
    def quantised(self) -> Path:
        """Where its networks in int8 lie, if the package has a profile in it (`ainode_models.nnunet.quantisation`)."""
        return self.path / "int8"

    def document(self, name: str) -> dict[str, Any]:
        """``plans.json`` or ``dataset.json``; raises `PackageError` when it is no JSON object."""
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise PackageError(f"{path}: cannot be read as JSON; copy nnU-Net's result folder again") from exc
        if not isinstance(content, dict):
            raise PackageError(f"{path}: is no JSON object; copy nnU-Net's result folder again")
        return content
