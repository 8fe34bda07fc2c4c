"""Kinds of series that archives hold: tilted, uneven, MONOCHROME1, PET, signed, with lookup tables or overlay bits."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedPETImageStorage, PositronEmissionTomographyImageStorage

from ainode.volume.builder import build_volume
from ainode_models.errors import GeometryError, InputError
from peers import dcm2niix
from peers.enhanced_series import as_enhanced
from peers.rendering import palette, table
from peers.tiny_series import write_series

Series = list[Dataset]
SLICES = 6


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """Six axial CT slices 2 mm apart, 16 unsigned bits."""
    return [dcmread(path) for path in write_series(tmp_path / "written", images=SLICES)]


def stored(image: Dataset) -> NDArray[np.int64]:
    """Values of 16 bits as they stand in the file."""
    kind = "<i2" if image.PixelRepresentation else "<u2"
    return np.frombuffer(image.PixelData, kind).reshape(image.Rows, image.Columns).astype(np.int64)


def tilt(series: Series) -> None:
    """Gantry tilt of 20 degrees: slices shift along their columns as they go up; dcm2niix keeps the shear."""
    for number, image in enumerate(series):
        image.ImagePositionPatient = [0, number * 2 * np.tan(np.radians(20)), number * 2]
        image.GantryDetectorTilt = 20


def monochrome1(series: Series) -> None:
    """The lowest value is shown white; it stays the lowest."""
    for image in series:
        image.PhotometricInterpretation, image.PresentationLUTShape = "MONOCHROME1", "INVERSE"


def pet(series: Series) -> None:
    """Rescaled so that each slice uses all its bits, as PET is."""
    for number, image in enumerate(series):
        image.SOPClassUID, image.Modality = PositronEmissionTomographyImageStorage, "PT"
        image.PixelRepresentation, image.Units, image.FrameReferenceTime = 1, "BQML", 0
        image.RescaleSlope, image.RescaleIntercept = f"{0.37 * (number + 1):.6f}", 0


def signed(series: Series) -> None:
    """Hounsfield units as they are."""
    for image in series:
        image.PixelData = (stored(image) - 1024).astype("<i2").tobytes()
        image.PixelRepresentation, image.RescaleIntercept = 1, 0


def overlay_bits(series: Series) -> None:
    """12 bits stored and an overlay in bit 12, as old scanners wrote (PS3.5 8.1.2)."""
    for image in series:
        image.BitsStored, image.HighBit = 12, 11
        image.PixelData = (stored(image) | 0x1000).astype("<u2").tobytes()


KINDS: Mapping[str, Callable[[Series], None]] = {
    "tilted gantry": tilt,
    "MONOCHROME1": monochrome1,
    "PET with a slope for each slice": pet,
    "signed": signed,
    "an overlay above the stored bits": overlay_bits,
}
NOTES = {"tilted gantry": ("gantry tilt of 20.0 degrees: the voxel grid is sheared",)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_reads_as_dcm2niix_reads_it(kind: str, series: Series, tmp_path: Path) -> None:
    KINDS[kind](series)
    folder = tmp_path / "changed"
    folder.mkdir()
    for number, image in enumerate(series):
        image.save_as(folder / f"{number}.dcm")
    ours = build_volume(folder.iterdir())
    theirs = dcm2niix.in_axes_of(dcm2niix.read(dcm2niix.convert(folder, tmp_path / "nifti")), ours.volume.affine)
    assert np.abs(theirs.affine - ours.volume.affine).max() < 1e-3
    np.testing.assert_allclose(ours.volume.array, theirs.array, rtol=1e-6)
    assert ours.notes == NOTES.get(kind, ())


def test_signed_and_unsigned_slices_in_one_series_keep_all_their_values(series: Series) -> None:
    expected = np.stack([stored(image) - 1024 for image in series])
    signed(series[::2])
    for image in series[1::2]:
        image.BitsStored, image.HighBit = 12, 11
    built = build_volume(series).volume.array
    assert built.dtype == np.int16
    assert np.array_equal(built, expected)


def test_signed_values_below_an_overlay_keep_their_sign(series: Series) -> None:
    expected = np.stack([stored(image) % 4096 - 2048 for image in series])
    for image, values in zip(series, expected, strict=True):
        image.BitsStored, image.HighBit, image.PixelRepresentation, image.RescaleIntercept = 12, 11, 1, 0
        image.PixelData = ((values & 0xFFF) | 0x5000).astype("<u2").tobytes()
    assert np.array_equal(build_volume(series).volume.array, expected)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_modality_lut_takes_the_place_of_the_rescale_slice_by_slice(series: Series, bits: int) -> None:
    expected = np.stack([stored(image) - 1024 for image in series])
    entries = np.random.default_rng(bits).integers(0, 1 << bits, 2000)
    for index in (1, 4):
        expected[index] = entries[np.clip(stored(series[index]) - 100, 0, 1999)]
        series[index].ModalityLUTSequence = table(entries, 100, bits, packed=bits == 8)
        del series[index].RescaleSlope, series[index].RescaleIntercept
    assert np.array_equal(build_volume(series).volume.array, expected)


def test_palette_and_rgb_series_are_refused_by_their_kind(series: Series) -> None:
    ramp = np.stack([np.arange(256) * 256] * 3)
    for image in series:
        for keyword, value in palette(ramp, 0, 16).items():
            setattr(image, keyword, value)
    with pytest.raises(InputError, match=r"image 1 is not a greyscale image \(PhotometricInterpretation PALETTE COLOR"):
        build_volume(series)
    for image in series:
        image.PhotometricInterpretation, image.SamplesPerPixel, image.PlanarConfiguration = "RGB", 3, 0
        image.PixelData *= 3
    with pytest.raises(InputError, match=r"image 1 is not a greyscale image \(PhotometricInterpretation RGB\)"):
        build_volume(series)


def test_a_slice_distance_that_changes_is_refused_with_both_distances(series: Series) -> None:
    """As old head CT is: thin slices at the base of the skull. A model would take them for equal ones."""
    for image, place in zip(series, (0, 2.5, 5, 7.5, 12, 16.5), strict=True):
        image.ImagePositionPatient, image.SliceThickness = [0, 0, place], 2.5
    message = r"uneven: 2\.5 mm after image 1 at 0\.00 mm, but 4\.5 mm after image 4 at 7\.50 mm \(most are 2\.5 mm\)"
    with pytest.raises(GeometryError, match=message):
        build_volume(series)


def test_slices_with_another_end_white_are_not_mixed_in_silence(series: Series) -> None:
    monochrome1(series[4:])
    with pytest.raises(GeometryError, match="differ in PhotometricInterpretation: MONOCHROME2 in 4 images, MONO"):
        build_volume(series)


def test_an_enhanced_pet_image_with_a_slope_for_each_frame_is_the_classic_series(
    series: Series, tmp_path: Path
) -> None:
    pet(series)
    for image in series:
        image.RescaleType = "BQML"
    expected = build_volume(series).volume
    enhanced = dcmread(as_enhanced(series, tmp_path / "enhanced.dcm", "PT", order=(3, 0, 5, 4, 1, 2)))
    enhanced.SOPClassUID = enhanced.file_meta.MediaStorageSOPClassUID = EnhancedPETImageStorage
    enhanced.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    built = build_volume([tmp_path / "enhanced.dcm"]).volume
    assert built.array.dtype == np.float32
    assert np.array_equal(built.array, expected.array)
    assert np.abs(built.affine - expected.affine).max() < 1e-6
