"""Reorientation is exact: every voxel keeps its value and its place."""

from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ainode_models.demo.grid import Grid
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.orientation import from_canonical, to_canonical
from ainode_models.volume import Volume

SHAPE = (3, 4, 5)
SPACING = (4.0, 0.5, 0.9)
ORIENTATIONS = [(axes, signs) for axes in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)]


def affine_of(axes: tuple[int, ...], signs: tuple[float, ...], tilt: Rotation) -> NDArray[np.float64]:
    affine = np.eye(4)
    for axis in range(3):
        affine[:3, axis] = np.eye(3)[axes[axis]] * signs[axis] * SPACING[axis]
    affine[:3, :3] = tilt.as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (-31.5, 12.25, 70.0)
    return affine


@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_all_48_orientations_become_canonical_and_come_back(degrees: float) -> None:
    tilt = Rotation.from_euler("xyz", [degrees, -degrees / 2, degrees / 3], degrees=True)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    assert len(set(ORIENTATIONS)) == 48
    for axes, signs in ORIENTATIONS:
        volume = Volume(array, affine_of(axes, signs, tilt), "1.2.3")
        canonical, turn = to_canonical(volume)
        head, back, left = (canonical.affine[:3, :3] / canonical.spacing).T
        assert min(head[2], back[1], left[0]) > 0.8
        assert np.array_equal(from_canonical(canonical.array, turn), array)


def test_every_voxel_stays_at_its_place_in_the_patient() -> None:
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    for axes, signs in ORIENTATIONS:
        volume = Volume(array, affine_of(axes, signs, Rotation.identity()), "1.2.3")
        canonical, _ = to_canonical(volume)
        for before, after in ((volume, canonical), (canonical, volume)):
            places = Grid(before.affine, (*before.array.shape,)).points().reshape(3, -1)
            inverse = np.linalg.inv(after.affine)
            index = np.rint(inverse[:3, :3] @ places + inverse[:3, 3:]).astype(int)
            assert np.array_equal(after.array[tuple(index)], before.array.ravel())


def test_the_same_seed_gives_the_same_anatomy_on_every_grid() -> None:
    volumes = []
    for orientation in ("axial", "sagittal", "coronal"):
        phantom = brain_tumour_phantom(np.random.default_rng(11), orientation=orientation, spacing=(3.0, 3.0, 3.0))
        grid = phantom.volumes["T1"]
        places = np.argwhere(phantom.labels > 0) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
        volumes.append((len(places), *places.mean(axis=0)))
    assert np.ptp(volumes, axis=0)[0] < 0.03 * volumes[0][0]
    assert np.ptp(volumes, axis=0)[1:].max() < 0.5
