"""The demonstration packages hold what they promise: on phantoms that they have not seen, and on a real head."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes
from skimage.filters import threshold_otsu

from ainode_models.demo.evaluate import held_out_dice
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.demo.recipe import RECIPES
from ainode_models.demo.tumour import ENHANCING, NECROSIS, OEDEMA
from ainode_models.dice import dice
from ainode_models.package import ModelPackage
from ainode_models.runtime import runtime_for
from ainode_models.volume import Volume
from peers.shared_data import shared_data

MODELS = Path(__file__).parent.parent / "models"


@pytest.mark.parametrize("name", ["brain-tumour-demo", "t1-head-demo"])
def test_held_out_phantoms_are_labelled_with_a_dice_of_at_least_085(name: str) -> None:
    scores = held_out_dice(ModelPackage.open(MODELS / name), RECIPES[name], cases=3)
    assert scores
    assert min(scores.values()) >= 0.85, scores


def test_a_phantom_without_a_tumour_shows_at_most_specks_of_oedema() -> None:
    """Measured on eight such phantoms: no necrosis, no enhancing tumour, 0 to 1.6 mL of oedema (a lesion: 80 mL)."""
    package = ModelPackage.open(MODELS / "brain-tumour-demo")
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    phantom = brain_tumour_phantom(np.random.default_rng(2**33), orientation="sagittal", tumours=0)
    assert not phantom.labels.any()
    counts = np.bincount(runtime.predict(phantom.volumes).label_map.ravel(), minlength=4)
    assert counts[NECROSIS] == counts[ENHANCING] == 0
    assert counts[OEDEMA] * phantom.volumes["T1"].voxel_volume_ml < 3.0


def real_head() -> Volume:
    """The real series, placed with nothing but its own headers."""
    files = sorted((shared_data("mr-head") / "dicoms").glob("*.dcm"))
    instances = [pydicom.dcmread(file) for file in files]
    across, down = np.array(instances[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(across, down)
    instances.sort(key=lambda ds: float(normal @ np.array(ds.ImagePositionPatient, dtype=float)))
    first, last = (np.array(instances[i].ImagePositionPatient, dtype=float) for i in (0, -1))
    between_rows, between_columns = (float(each) for each in instances[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / (len(instances) - 1)
    affine[:3, 1] = down * between_rows
    affine[:3, 2] = across * between_columns
    affine[:3, 3] = first
    frame = str(instances[0].FrameOfReferenceUID)
    return Volume(np.stack([ds.pixel_array for ds in instances]), affine, frame)


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` with the holes of every slice filled, in each of the three directions in turn."""
    for axis in range(3):
        planes = np.moveaxis(mask, axis, 0)
        mask = np.moveaxis(np.stack([binary_fill_holes(plane) for plane in planes]), 0, axis)
    return mask


def test_the_real_oblique_head_agrees_with_otsu_and_filled_holes() -> None:
    """Otsu on the logarithm: on plain intensities its threshold lies between brain and the rest of the head."""
    volume = real_head()
    package = ModelPackage.open(MODELS / "t1-head-demo")
    runtime = runtime_for(package)
    runtime.load(package, "cpu")
    answer = runtime.predict({"T1": volume})
    logarithm = np.log1p(volume.array.astype(np.float32))
    classical = filled(logarithm > threshold_otsu(logarithm))  # type: ignore[no-untyped-call]
    score = dice(answer.label_map == 1, classical)
    assert score >= 0.9, score
    assert answer.confidence[1] > 0.9
