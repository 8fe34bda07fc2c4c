"""Phantoms as an nnU-Net v2 raw dataset."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that its documentation uses
from numpy.typing import NDArray

from ainode_models.demo.recipe import Recipe
from ainode_models.orientation import to_canonical
from ainode_models.volume import Volume


def write_dataset(recipe: Recipe, rng: np.random.Generator, folder: Path) -> Path:
    """Write ``recipe.cases`` cases below ``folder`` (``nnUNet_raw``) and return the dataset's folder."""
    root = folder / f"Dataset{recipe.dataset:03d}_{recipe.name.replace('-', '')}"
    for part in ("imagesTr", "labelsTr"):
        (root / part).mkdir(parents=True, exist_ok=True)
    for number, case_rng in enumerate(rng.spawn(recipe.cases)):
        _write_case(recipe, case_rng, root, number)
    description = {
        "channel_names": {str(channel): name for channel, name in enumerate(recipe.inputs)},
        "labels": dict(recipe.labels),
        "numTraining": recipe.cases,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(description, indent=2))
    return root


def _write_case(recipe: Recipe, rng: np.random.Generator, root: Path, number: int) -> None:
    phantom = recipe.case(rng)
    for channel, name in enumerate(recipe.inputs):
        volume, turn = to_canonical(phantom.volumes[name])
        _write_image(volume, volume.array, root / "imagesTr" / f"case_{number:03d}_{channel:04d}.nii.gz")
    _write_image(volume, turn.apply(phantom.labels), root / "labelsTr" / f"case_{number:03d}.nii.gz")


def _write_image(grid: Volume, array: NDArray[np.float32] | NDArray[np.uint8], path: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing[::-1])  # type: ignore[no-untyped-call]
    sitk.WriteImage(image, str(path))
