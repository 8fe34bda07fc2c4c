"""What a series says comes back exactly: places, values and order, in any orientation."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.volume.builder import build_volume
from ainode_models.volume import Volume

STUDY = PhantomStudy(seed="round trip", acquired_at=datetime(2026, 3, 4, tzinfo=UTC))
RIGHT_HANDED = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=float)
"""Columns slice, row, column of a grid whose slices ascend along row axis x column axis."""


def any_volume(rng: np.random.Generator) -> Volume:
    """Random place, spacing, shape and values."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(rng=rng).as_matrix() @ RIGHT_HANDED * rng.uniform(0.3, 6, 3)
    affine[:3, 3] = rng.uniform(-400, 400, 3)
    return Volume(rng.integers(0, 65536, rng.integers(2, 12, 3)), affine, f"1.2.{rng.integers(1, 1000)}")


@pytest.mark.parametrize("seed", range(12))
def test_any_orientation_in_any_file_order_reads_back_exactly(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    volume = any_volume(rng)
    paths = write_series(tmp_path, volume, study=STUDY, protocol=PROTOCOLS["T2"])
    built = build_volume([paths[index] for index in rng.permutation(len(paths))])
    assert np.array_equal(built.volume.array, volume.array)
    assert np.abs(built.volume.affine - volume.affine).max() < 1e-9
    assert built.volume.same_grid(volume)
    assert [source.InstanceNumber for source in built.sources] == list(range(1, len(paths) + 1))


def test_slices_written_against_the_normal_come_back_turned_round_at_the_same_places(tmp_path: Path) -> None:
    volume = any_volume(np.random.default_rng(99))
    turned = volume.affine.copy()
    turned[:, 0] *= -1
    paths = write_series(tmp_path, Volume(volume.array, turned, "1.2.3"), study=STUDY, protocol=PROTOCOLS["T2"])
    built = build_volume(paths).volume
    last = len(paths) - 1
    assert np.array_equal(built.array, volume.array[::-1])
    assert built.affine @ (0, 1, 1, 1) == pytest.approx(turned @ (last, 1, 1, 1))
    assert built.affine @ (last, 1, 1, 1) == pytest.approx(turned @ (0, 1, 1, 1))


def test_each_source_header_tells_the_place_of_its_slice(tmp_path: Path) -> None:
    paths = write_series(tmp_path, any_volume(np.random.default_rng(5)), study=STUDY, protocol=PROTOCOLS["T2"])
    built = build_volume(paths[::-1])
    for index, source in enumerate(built.sources):
        assert built.volume.affine[:3] @ (index, 0, 0, 1) == pytest.approx(list(source.ImagePositionPatient))
        assert np.array_equal(dcmread(source.filename).pixel_array, built.volume.array[index])
        assert "PixelData" not in source
