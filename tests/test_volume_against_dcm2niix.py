"""Our volume and affine are those of Debian's dcm2niix, run on the same series here and now."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from ainode.demo.phantom_series import PhantomStudy, write_study
from ainode.volume.builder import SeriesVolume, build_volume
from ainode_models.demo.grid import Orientation
from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.errors import GeometryError
from peers import dcm2niix
from peers.shared_data import shared_data

AFFINE_TOLERANCE_MM = 1e-3
FAR_CORNER_TOLERANCE_MM = 3e-3  # dcm2niix reckons in float32: on 384 slices it drifts by 0.0015 mm from the header


def assert_same(ours: SeriesVolume, nifti: dcm2niix.Nifti) -> None:
    """Same values at the same places."""
    theirs = dcm2niix.in_axes_of(nifti, ours.volume.affine)
    assert np.abs(theirs.affine - ours.volume.affine).max() < AFFINE_TOLERANCE_MM
    assert np.array_equal(theirs.array, ours.volume.array)
    last_voxel = np.array([*ours.volume.array.shape, 1]) - (1, 1, 1, 0)
    assert np.linalg.norm((theirs.affine - ours.volume.affine) @ last_voxel) < FAR_CORNER_TOLERANCE_MM


@pytest.mark.parametrize(
    ("orientation", "oblique_degrees", "spacing"),
    [
        ("axial", 0.0, (6.0, 3.0, 2.5)),
        ("sagittal", 0.0, (5.0, 2.5, 3.0)),
        ("coronal", 0.0, (7.0, 2.0, 3.5)),
        ("axial", 25.0, (6.0, 3.0, 2.5)),
        ("sagittal", 40.0, (4.0, 3.0, 2.5)),
    ],
)
def test_a_phantom_series_reads_as_dcm2niix_reads_it(
    tmp_path: Path,
    orientation: Orientation,
    oblique_degrees: float,
    spacing: tuple[float, float, float],
) -> None:
    phantom = brain_tumour_phantom(
        np.random.default_rng(7), orientation=orientation, spacing=spacing, oblique_degrees=oblique_degrees
    )
    study = PhantomStudy(seed="dcm2niix", acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    files = write_study(tmp_path / "study", phantom, study=study)
    for name, paths in files.items():
        nifti = dcm2niix.read(dcm2niix.convert(paths[0].parent, tmp_path / "nifti" / name))
        assert_same(build_volume(paths), nifti)


def test_the_real_oblique_head_reads_as_dcm2niix_reads_it(tmp_path: Path) -> None:
    folder = shared_data("mr-head") / "dicoms"
    ours = build_volume(folder.iterdir())
    assert ours.volume.array.shape == (384, 384, 274)
    assert_same(ours, dcm2niix.read(dcm2niix.convert(folder, tmp_path / "nifti")))


def test_real_ct_slices_read_as_dcm2niix_reads_them_in_hounsfield_units(tmp_path: Path) -> None:
    for number, paths in enumerate(_ct_series()):
        with pytest.raises(GeometryError, match=r"missing slices.* instead of 3\.00 mm"):
            build_volume(paths)
        folder = tmp_path / f"series-{number}"
        folder.mkdir()
        for path in paths[:2]:
            (folder / path.name).symlink_to(path.resolve())
        ours = build_volume(folder.iterdir())
        assert ours.volume.array.min() < -900
        assert_same(ours, dcm2niix.read(dcm2niix.convert(folder, tmp_path / f"nifti-{number}")))


def _ct_series() -> list[list[Path]]:
    """Files of each of the two sparse CT series, in slice order; their localizer is a series of its own."""
    series: dict[str, list[tuple[float, Path]]] = {}
    for path in shared_data("ct-chest").glob("*.dcm"):
        ds = dcmread(path, stop_before_pixels=True)
        if "LOCALIZER" not in ds.ImageType:
            series.setdefault(ds.SeriesInstanceUID, []).append((ds.ImagePositionPatient[2], path))
    return [[path for _, path in sorted(places)] for places in series.values()]
