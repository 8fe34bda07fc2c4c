"""Series that do not form one volume are refused with a reason, or handled exactly with a note."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.volume.builder import build_volume
from ainode_models.errors import GeometryError, InputError, InstanceError
from ainode_models.volume import Volume

Series = list[Dataset]


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """Nine axial slices 2 mm apart, from z = 10 mm, InstanceNumber 1 to 9."""
    affine = np.array([[0, 0, 1.5, -20], [0, 1.25, 0, -30], [2, 0, 0, 10], [0, 0, 0, 1]], dtype=float)
    array = np.random.default_rng(0).integers(0, 4000, (9, 6, 5))
    study = PhantomStudy(seed="refusals", acquired_at=datetime(2026, 3, 4, tzinfo=UTC), patient_name="SECRET^NAME")
    paths = write_series(tmp_path, Volume(array, affine, "1.2.3"), study=study, protocol=PROTOCOLS["T1"])
    return [dcmread(path) for path in paths]


def change(keyword: str, value: object, *indices: int) -> Callable[[Series], None]:
    """A fault: one element set in some images (all without ``indices``)."""

    def spoil(series: Series) -> None:
        for index in indices or range(len(series)):
            setattr(series[index], keyword, value)

    return spoil


def remove(keyword: str) -> Callable[[Series], None]:
    """A fault: one element gone from the fourth image."""

    def spoil(series: Series) -> None:
        delattr(series[3], keyword)

    return spoil


def move(index: int, *mm: float) -> Callable[[Series], None]:
    """A fault: one image moved."""

    def spoil(series: Series) -> None:
        position = series[index].ImagePositionPatient
        series[index].ImagePositionPatient = [old + new for old, new in zip(position, mm, strict=True)]

    return spoil


def lose(*indices: int) -> Callable[[Series], None]:
    """A fault: images that did not come."""

    def spoil(series: Series) -> None:
        series[:] = [image for index, image in enumerate(series) if index not in indices]

    return spoil


def double(*indices: int) -> Callable[[Series], None]:
    """A fault: images that came again as new instances."""

    def spoil(series: Series) -> None:
        for index in indices or range(len(series)):
            again = deepcopy(series[index])
            again.SOPInstanceUID += ".1"
            again.InstanceNumber += 100
            series.append(again)

    return spoil


TILTED = [1, 0, 0, 0, 0.8, 0.6]

FAULTS = {
    "no image": (lose(*range(9)), r"the series has no images"),
    "one slice lost": (
        lose(4),
        r"missing slices: after image 4 at 16\.00 mm the next is 4\.00 mm away instead of 2\.00 mm, 1 missing there; "
        r"9 slices expected, 8 received",
    ),
    "two neighbours and another lost": (
        lose(1, 2, 5),
        r"after image 1 at 10\.00 mm the next is 6\.00 mm .* 2 missing there; 9 slices expected, 6 received",
    ),
    "one of three lost": (lose(1, 4, 5, 6, 7, 8), r"missing slices: after image 1 .* 4 slices expected, 3 received"),
    "a slice doubled": (
        double(2),
        r"duplicate slices: image 3 at 14\.00 mm and image 103 lie at the same place; 10 images stand at 9 positions",
    ),
    "all slices doubled": (double(), r"2 images at each of 9 slice positions, so 2 volumes"),
    "one uneven gap": (move(8, 0, 0, 0.5), r"gaps between slices are uneven: 2 mm .* 2\.5 mm after image 8"),
    "one gap 10 % too wide": (move(8, 0, 0, 0.2), r"gaps between slices are uneven"),
    "one slice beside the line": (move(5, 0, 0.4, 0), r"image 6 at 20\.00 mm is shifted sideways by 0\.32 pixel"),
    "side by side": (move(5, 40, 0, 2), r"side by side in one plane"),
    "mixed orientation": (
        change("ImageOrientationPatient", TILTED, 7, 8),
        r"differ in ImageOrientationPatient: .* in 7 images, .* in 2 images; .* InstanceNumber 8",
    ),
    "mixed rows": (change("Rows", 5, 6), r"differ in Rows: 6 in 8 images, 5 in 1 image; .* InstanceNumber 7"),
    "mixed columns": (change("Columns", 4, 6), r"differ in Columns"),
    "mixed spacing": (
        change("PixelSpacing", [1.25, 1.25], 0),
        r"differ in PixelSpacing: 1\.25 x 1\.5 mm in 8 images, 1\.25 x 1\.25 mm in 1 image",
    ),
    "no position": (remove("ImagePositionPatient"), r"image 4 has no ImagePositionPatient"),
    "no orientation": (remove("ImageOrientationPatient"), r"image 4 has no ImageOrientationPatient"),
    "no pixel spacing": (remove("PixelSpacing"), r"image 4 has no PixelSpacing"),
    "empty position": (change("ImagePositionPatient", None, 3), r"image 4 has no ImagePositionPatient"),
    "position in a plane": (change("ImagePositionPatient", [1, 2], 3), r"image 4 .* that is not 3 finite numbers"),
    "spacing of zero": (change("PixelSpacing", [0, 1], 3), r"image 4 has a PixelSpacing that is not above zero"),
    "skewed axes": (
        change("ImageOrientationPatient", [1, 0, 0, 0.1, 0.995, 0]),
        r"not two unit vectors at a right angle \(off by 0\.1\)",
    ),
    "axes of other length": (change("ImageOrientationPatient", [1, 0, 0, 0, 2, 0]), r"not two unit vectors"),
    "two frames of reference": (
        change("FrameOfReferenceUID", "1.2.4", 7, 8),
        r"2 FrameOfReferenceUIDs \(7 and 2 images\): the patient may have moved",
    ),
    "no frame of reference": (remove("FrameOfReferenceUID"), r"1 image without FrameOfReferenceUID"),
    "two series": (change("SeriesInstanceUID", "1.2.5", 0), r"2 SeriesInstanceUIDs \(1 and 8 images\)"),
    "only localizers": (change("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]), r"has only localizers"),
    "multi-frame": (change("NumberOfFrames", 12, 0), r"image 1 is multi-frame \(12 frames\)"),
    "mosaic": (change("ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), r"mosaic of several slices"),
    "two images under one UID": (
        change("SOPInstanceUID", "1.2.6", 2, 3),
        r"image 3 and image 4 lie apart but have the same SOPInstanceUID",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_series_that_is_no_volume_is_refused_with_what_is_wrong_and_where(series: Series, fault: str) -> None:
    spoil, message = FAULTS[fault]
    spoil(series)
    with pytest.raises(GeometryError, match=message) as refusal:
        build_volume(series)
    assert "SECRET" not in str(refusal.value)


def test_the_untouched_series_is_one_volume_without_notes(series: Series) -> None:
    built = build_volume(series)
    assert built.notes == ()
    assert built.volume.array.shape == (9, 6, 5)


def test_colour_images_are_refused(series: Series) -> None:
    change("PhotometricInterpretation", "RGB", 0)(series)
    with pytest.raises(InputError, match=r"image 1 is not a greyscale image .*RGB"):
        build_volume(series)


def test_a_file_that_is_no_dicom_and_an_image_without_uid_are_refused_as_instances(
    series: Series, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(InstanceError, match=r"notes\.txt is not a DICOM file"):
        build_volume([tmp_path / "notes.txt"])
    remove("SOPInstanceUID")(series)
    with pytest.raises(InstanceError, match="image 4 has no SOPInstanceUID"):
        build_volume(series)


def test_a_damaged_element_is_named(series: Series, tmp_path: Path) -> None:
    path = tmp_path / "0005.dcm"
    path.write_bytes(path.read_bytes().replace(b"-20.0\\-30.0\\18.0", b"-20.0\\-3A.0\\18.0"))
    with pytest.raises(InstanceError, match="image 5 has a damaged ImagePositionPatient"):
        build_volume(sorted(tmp_path.glob("*.dcm")))
    change("SliceThickness", [2, 3], 1)(series)
    with pytest.raises(InstanceError, match="image 2 has a damaged SliceThickness"):
        build_volume(series)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # pydicom, of the UIDs that are cut
def test_a_file_cut_short_anywhere_is_refused_as_an_instance(series: Series, tmp_path: Path) -> None:
    path = tmp_path / "0005.dcm"
    whole = path.read_bytes()
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        with pytest.raises(InstanceError):
            build_volume(sorted(tmp_path.glob("*.dcm")))


def test_localizers_among_the_slices_are_left_out_and_noted(series: Series) -> None:
    whole = build_volume(series)
    double(0, 5)(series)
    change("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"], -2, -1)(series)
    change("ImageOrientationPatient", TILTED, -2)(series)
    built = build_volume(series)
    assert built.notes == ("2 localizers were left out",)
    assert np.array_equal(built.volume.array, whole.volume.array)
    assert [source.InstanceNumber for source in built.sources] == list(range(1, 10))


def test_the_same_instance_received_twice_counts_once_and_is_noted(series: Series) -> None:
    built = build_volume([*series, series[3], series[4]])
    assert built.notes == ("2 second copies of images were left out",)
    assert np.array_equal(built.volume.array, build_volume(series).volume.array)


def test_positions_rounded_to_two_decimals_are_still_one_volume(series: Series) -> None:
    for index, image in enumerate(series):
        image.ImagePositionPatient = [round(-20 + 0.333 * index, 2), -30, round(10 + index / 3, 2)]
        image.SpacingBetweenSlices = 1 / 3
    assert build_volume(series).volume.spacing[1:] == (1.25, 1.5)


def test_one_slice_takes_its_extent_from_the_header_or_is_refused(series: Series) -> None:
    one = series[0]
    one.SliceThickness, one.SpacingBetweenSlices = 3, 4
    assert build_volume([one]).volume.spacing == (4, 1.25, 1.5)
    del one.SpacingBetweenSlices
    built = build_volume([one])
    assert built.volume.spacing[0] == 3
    assert built.notes == ("one slice only: its thickness comes from the header, not from positions",)
    one.SliceThickness = 0
    with pytest.raises(GeometryError, match=r"one slice \(image 1\) and no SliceThickness"):
        build_volume([one])


def test_a_gantry_tilt_is_kept_as_shear_and_noted(series: Series) -> None:
    for index, image in enumerate(series):
        image.ImagePositionPatient[1] += index * 0.5
    built = build_volume(series)
    assert built.notes == ("gantry tilt of 14.0 degrees: the voxel grid is sheared",)
    for index, source in enumerate(built.sources):
        assert built.volume.affine @ (index, 0, 0, 1) == pytest.approx([*source.ImagePositionPatient, 1])
    assert built.volume.voxel_volume_ml == pytest.approx(2 * 1.25 * 1.5 / 1000)


def test_a_slice_distance_in_the_header_that_disagrees_with_the_positions_is_noted(series: Series) -> None:
    change("SpacingBetweenSlices", 2.4)(series)
    built = build_volume(series)
    assert built.notes == ("SpacingBetweenSlices says 2.4 mm, the positions 2 mm; the positions were used",)
    assert built.volume.spacing[0] == 2
