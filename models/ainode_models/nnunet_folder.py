"""An nnU-Net v2 result folder inside a model package, checked before anything of it is used."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ainode_models.checkpoint import refuse_code
from ainode_models.errors import PackageError
from ainode_models.package import MANIFEST, ModelPackage

_IMPORTABLE = ("torch.nn.", "dynamic_network_architectures.")
"""Where the classes that ``plans.json`` names may come from: nnU-Net imports whatever stands there."""


@dataclass(frozen=True)
class NnunetFolder:
    """The folder and how to run it: the table ``[nnunet]`` of ``model.toml``."""

    path: Path
    folds: tuple[int | str, ...]
    """Numbers, or ``all``; more than one makes an ensemble."""
    checkpoint: str
    step_size: float
    """Step between patches, in patches: nnU-Net's ``tile_step_size``."""
    mirroring: bool
    """Whether to average over the mirrored images that the checkpoint allows."""

    @classmethod
    def of(cls, package: ModelPackage) -> "NnunetFolder":
        """Read the table and check the folder against the manifest.

        Raises `PackageError`: files not listed as weights, other channels or labels than the manifest's.
        """
        table = package.manifest.settings
        table.expect(("folder", "folds"), ("checkpoint", "step_size", "mirroring"))
        folds = table.entries["folds"]
        if not isinstance(folds, list) or not folds or not all(type(f) is int or f == "all" for f in folds):
            raise table.fault("folds", f'must be a list such as [0] or ["all"], not {folds!r}')
        folder = cls(
            path=package.folder / table.text("folder"),
            folds=tuple(folds),
            checkpoint=table.text("checkpoint", r"[\w.-]+\.pth", meaning="a file name that ends with .pth")
            if "checkpoint" in table.entries
            else "checkpoint_final.pth",
            step_size=table.scalar("step_size", float, default=0.5),
            mirroring=table.scalar("mirroring", bool, default=True),
        )
        if not 0 < folder.step_size <= 1:
            raise table.fault("step_size", "must be above 0 and at most 1")
        folder._check(package)
        return folder

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """The checkpoint of every fold."""
        return tuple(self.path / f"fold_{fold}" / self.checkpoint for fold in self.folds)

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

    def _check(self, package: ModelPackage) -> None:
        listed = {package.folder / weights.path for weights in package.manifest.weights}
        for path in (self.path / "plans.json", self.path / "dataset.json", *self.checkpoints):
            if path not in listed:
                raise PackageError(
                    f"{package.folder / MANIFEST}: weights: {path.relative_to(package.folder)} is used but not "
                    "listed; add it with its sha256"
                )
        self._check_dataset(package)
        for name in _imports(self.document("plans.json")):
            if not name.startswith(_IMPORTABLE):
                raise PackageError(
                    f"{self.path / 'plans.json'}: names {name!r}, which nnU-Net would import; "
                    f"only {' and '.join(_IMPORTABLE)} are allowed"
                )
        for checkpoint in self.checkpoints:
            refuse_code(checkpoint)

    def _check_dataset(self, package: ModelPackage) -> None:
        dataset, manifest = self.document("dataset.json"), package.manifest
        channels = len(dataset.get("channel_names", {}))
        if channels != len(manifest.inputs):
            raise PackageError(
                f"{package.folder / MANIFEST}: input: {len(manifest.inputs)} given, but the network has "
                f"{channels} channels ({', '.join(map(str, dataset.get('channel_names', {}).values()))})"
            )
        known, declared = _values(dataset), {label.value for label in manifest.labels}
        if known != declared:
            raise PackageError(
                f"{package.folder / MANIFEST}: label: values {sorted(declared)} given, but the network has "
                f"{sorted(known)}; describe each of them"
            )


def _values(dataset: Mapping[str, Any]) -> set[int]:
    """The values, without background and ignore, that a label map can hold."""
    if "regions_class_order" in dataset:
        return {int(value) for value in dataset["regions_class_order"]}
    labels = dataset.get("labels", {}).items()
    return {int(value) for name, value in labels if name not in ("background", "ignore")}


def _imports(plans: Mapping[str, Any]) -> Iterator[str]:
    """Every name in ``plans`` that nnU-Net resolves by importing it."""
    for configuration in plans.get("configurations", {}).values():
        architecture = configuration.get("architecture", {})
        arguments = architecture.get("arch_kwargs", {})
        yield from (str(architecture[key]) for key in ("network_class_name",) if key in architecture)
        wanted = architecture.get("_kw_requires_import", ())
        yield from (str(arguments[key]) for key in wanted if arguments.get(key) is not None)
