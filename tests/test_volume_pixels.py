"""Voxel values: whole numbers stay exact, fractions are rescaled, damage is refused."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000MC, UID, JPEGLSLossless, RLELossless

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.volume import builder
from ainode.volume.builder import build_volume, drop_pixels, read_header, read_images
from ainode_models.errors import InstanceError
from ainode_models.volume import Volume
from peers.shared_data import shared_data

AFFINE = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]], dtype=float)


@pytest.fixture
def array() -> np.ndarray:
    """Whole numbers that need all of 12 bits, ``(3, 7, 5)``."""
    array = np.random.default_rng(0).integers(0, 4096, (3, 7, 5))
    array[0, 0, 0] = 4095
    return array


@pytest.fixture
def series(tmp_path: Path, array: np.ndarray) -> list[Dataset]:
    """``array`` as three images."""
    study = PhantomStudy(seed="pixels", acquired_at=datetime(2026, 3, 4, tzinfo=UTC))
    paths = write_series(tmp_path, Volume(array, AFFINE, "1.2.3"), study=study, protocol=PROTOCOLS["T1"])
    return [dcmread(path) for path in paths]


def test_twelve_bits_fit_int16_and_sixteen_unsigned_bits_need_int32(series: list[Dataset], array: np.ndarray) -> None:
    assert build_volume(series).volume.array.dtype == np.int16
    for image in series:
        image.BitsStored, image.HighBit = 16, 15
    built = build_volume(series).volume.array
    assert built.dtype == np.int32
    assert np.array_equal(built, array)


def test_whole_slopes_and_intercepts_keep_integers_exact_slice_by_slice(
    series: list[Dataset], array: np.ndarray
) -> None:
    for image, (slope, intercept) in zip(series, [(1, -1024), (3, 0), (2, 7)], strict=True):
        image.RescaleSlope, image.RescaleIntercept = slope, intercept
    built = build_volume(series).volume.array
    assert built.dtype == np.int16
    assert np.array_equal(built, array * [[[1]], [[3]], [[2]]] + [[[-1024]], [[0]], [[7]]])


def test_a_fractional_slope_in_any_slice_gives_float32_as_the_clause_says(
    series: list[Dataset], array: np.ndarray
) -> None:
    series[1].RescaleSlope, series[1].RescaleIntercept = 0.25, -3.5
    built = build_volume(series).volume.array
    assert built.dtype == np.float32
    assert np.array_equal(built[1], array[1] * 0.25 - 3.5)
    assert np.array_equal(built[::2], array[::2])


def test_signed_values_keep_their_sign(series: list[Dataset]) -> None:
    signed = np.random.default_rng(1).integers(-32768, 32768, (3, 7, 5)).astype("<i2")
    for image, values in zip(series, signed, strict=True):
        image.PixelData, image.PixelRepresentation, image.BitsStored, image.HighBit = values.tobytes(), 1, 16, 15
    built = build_volume(series).volume.array
    assert built.dtype == np.int16
    assert np.array_equal(built, signed)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_a_losslessly_compressed_series_gives_the_same_volume(
    series: list[Dataset], array: np.ndarray, syntax: str
) -> None:
    for image in series:
        image.compress(syntax, generate_instance_uid=False)
    assert np.array_equal(build_volume(series).volume.array, array)


def test_the_same_image_reads_the_same_in_every_transfer_syntax_that_is_decoded() -> None:
    folder = shared_data("transfer-syntaxes")
    for plain, lossless in [("MR2_UNCR.dcm", "MR2_J2KR.dcm"), ("693_UNCR.dcm", "693_J2KR.dcm")]:
        images = [dcmread(folder / name) for name in (plain, lossless)]
        for image in images:
            image.FrameOfReferenceUID = "1.2.3"  # one of them has none
        one, other = (build_volume([image]).volume.array for image in images)
        assert np.array_equal(one, other)


def test_big_endian_files_give_the_same_volume(series: list[Dataset], array: np.ndarray, tmp_path: Path) -> None:
    paths = [tmp_path / f"big-{index}.dcm" for index in range(len(series))]
    for image, path in zip(series, paths, strict=True):
        subprocess.run(["/usr/bin/dcmconv", "+tb", image.filename, path], check=True)
    assert np.array_equal(build_volume(paths).volume.array, array)


def test_a_truncated_file_is_refused_by_the_number_of_its_image(tmp_path: Path, series: list[Dataset]) -> None:
    path = tmp_path / "0002.dcm"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InstanceError, match="image 2 has pixel data that are absent, cut short or damaged"):
        build_volume(sorted(tmp_path.glob("*.dcm")))


def test_a_header_without_pixels_is_refused(tmp_path: Path, series: list[Dataset]) -> None:
    del series[2].PixelData
    series[2].save_as(tmp_path / "0003.dcm")
    with pytest.raises(InstanceError, match="image 3 has pixel data that are absent"):
        build_volume(sorted(tmp_path.glob("*.dcm")))


@pytest.mark.parametrize(("syntax", "name"), [(JPEG2000MC, "JPEG 2000 Part 2"), (UID("1.2.3.4"), "1.2.3.4")])
def test_a_transfer_syntax_that_cannot_be_decoded_is_named(series: list[Dataset], syntax: UID, name: str) -> None:
    series[1].file_meta.TransferSyntaxUID = syntax
    with pytest.raises(InstanceError, match=rf"image 2 has pixels compressed as {name}.* cannot decode"):
        build_volume(series)


def test_values_beyond_the_bits_that_the_header_states_are_refused(series: list[Dataset]) -> None:
    for image in series:
        image.compress(JPEGLSLossless, generate_instance_uid=False)
        image.BitsStored, image.HighBit = 11, 10
    with pytest.raises(InstanceError, match=r"image 1 holds values .* outside the 11 bits"):
        build_volume(series)


def test_images_that_were_read_with_their_pixels_make_the_same_volume_and_are_headers_again(
    tmp_path: Path, series: list[Dataset]
) -> None:
    paths = sorted(tmp_path.iterdir())
    images = read_images(paths)
    assert all("PixelData" in image for image in images)
    np.testing.assert_array_equal(build_volume(images).volume.array, build_volume(paths).volume.array)
    drop_pixels(images)
    assert images == [read_header(path) for path in paths]


def test_what_does_not_fit_into_memory_is_read_again_for_its_pixels(
    tmp_path: Path, series: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(tmp_path.iterdir())
    monkeypatch.setattr(builder, "_AT_ONCE", 2 * paths[0].stat().st_size + 1)
    images = read_images(paths)
    assert ["PixelData" in image for image in images] == [True, True, False]
    np.testing.assert_array_equal(build_volume(images).volume.array, build_volume(paths).volume.array)
