"""A bare nnU-Net v2 result folder made into a package: what it says itself, and what people must add."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ainode_models.errors import PackageError
from ainode_models.package import MANIFEST
from ainode_models.package_draft import NOT_STATED, input_of, label_of, manifest_of, refuse_empty
from ainode_models.toml_text import toml_text

_FOLDER = "nnunet"


@dataclass(frozen=True)
class NnunetResult:
    """A folder that nnU-Net's trainer wrote: ``plans.json``, ``dataset.json`` and ``fold_*``."""

    folder: Path
    checkpoint: str = "checkpoint_final.pth"

    def draft(self) -> dict[str, Any]:
        """What the package will say, with an empty text wherever only people know.

        Raises `PackageError` when this is no result folder.
        """
        dataset = self._dataset()
        return {
            "name": "",
            "version": "",
            "title": "",
            **NOT_STATED,
            "training": {"data": f"Not stated (nnU-Net dataset {self._dataset_name()})."},
            "input": [input_of(str(channel)) for channel in dataset["channel_names"].values()],
            "label": [label_of(value, name, place) for place, (value, name) in enumerate(_labels(dataset))],
        }

    def folds(self) -> tuple[int | str, ...]:
        """The folds that have the checkpoint; raises `PackageError` when none has."""
        names = sorted(path.parent.name.removeprefix("fold_") for path in self.folder.glob(f"fold_*/{self.checkpoint}"))
        if not names:
            raise PackageError(f"{self.folder}: no fold_* holds {self.checkpoint}; name yours with --checkpoint")
        numbers = tuple(int(name) for name in names if name.isdecimal())
        return numbers or ("all",)

    def write(self, facts: Mapping[str, Any], folder: Path) -> None:
        """Write the package to ``folder``: model.toml from ``facts``, and the files that are needed to run it.

        Raises `PackageError` that lists everything that is still empty.
        """
        refuse_empty(facts, self.folder)
        folds = self.folds()
        weights = [*(f"fold_{fold}/{self.checkpoint}" for fold in folds), "plans.json", "dataset.json"]
        for name in weights:
            (folder / _FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, folder / _FOLDER / name)
        settings = {"folder": _FOLDER, "folds": list(folds), "checkpoint": self.checkpoint}
        listed = [f"{_FOLDER}/{name}" for name in weights]
        manifest = manifest_of(facts, folder, listed, runtime="nnunet", settings=settings)
        (folder / MANIFEST).write_text(toml_text(manifest))

    def _dataset(self) -> dict[str, Any]:
        for name in ("plans.json", "dataset.json"):
            if not (self.folder / name).is_file():
                raise PackageError(
                    f"{self.folder}: holds no {name}, so it is no result folder of nnU-Net v2; give the folder that "
                    "is called like nnUNetTrainer__nnUNetPlans__3d_fullres"
                )
        dataset = _json(self.folder / "dataset.json")
        for key in ("channel_names", "labels"):
            if not isinstance(dataset.get(key), dict):
                raise PackageError(
                    f"{self.folder / 'dataset.json'}: {key} is no table, as nnU-Net v2 writes it; copy it again"
                )
        return dataset

    def _dataset_name(self) -> str:
        return str(_json(self.folder / "plans.json").get("dataset_name", "unknown"))


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise PackageError(f"{file}: cannot be read as JSON ({exc}); copy nnU-Net's result folder again") from exc
    return content if isinstance(content, dict) else {}


def _labels(dataset: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Value in the label map, and name, of each label or region."""
    names = [name for name in dataset["labels"] if name not in ("background", "ignore")]
    if order := dataset.get("regions_class_order"):
        return sorted(zip(map(int, order), names, strict=False))
    return sorted((int(dataset["labels"][name]), name) for name in names)
