"""Series with several volumes at one place: dcm2niix's references, volume by volume, and what tells volumes apart."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.volume.builder import build_volume, volumes_of_series
from ainode_models.errors import GeometryError, InstanceError
from ainode_models.volume import Volume
from peers import dcm2niix
from peers.shared_data import shared_data

Series = list[Dataset]

REFERENCES = {
    "GE EPI, 10 time points": (
        "mr-series/ge-mr_0007/*.dcm",
        "mr-series/reference-dcm2niix/DCM2NIIX_regression_test_7.nii",
        [f"temporal position {number} by InstanceNumber" for number in range(1, 11)],
    ),
    "Siemens mosaics, phase AP": (
        "mr-series/siemens-mr_0003/*.dcm",
        "mr-series/reference-dcm2niix/EPI_PE=AP_3.nii",
        ["AcquisitionNumber 1", "AcquisitionNumber 2"],
    ),
    "Siemens mosaics, phase RL": (
        "mr-series/siemens-mr_0005/*.dcm",
        "mr-series/reference-dcm2niix/EPI_PE=RL_5.nii",
        ["AcquisitionNumber 1", "AcquisitionNumber 2"],
    ),
    "Siemens XA10 Enhanced MR, one image for each time point": (
        "enhanced-mr/6_*.dcm",
        "enhanced-mr/Siemens_REST1_w_SMS_PF7-8_6.nii",
        [f"TemporalPositionIndex {number}" for number in range(1, 5)],
    ),
}


def files(pattern: str) -> list[Path]:
    folder, _, rest = pattern.partition("/")
    found = sorted(shared_data(folder).glob(rest), reverse=True)
    assert found
    return found


def assert_at(ours: Volume, theirs: dcm2niix.Nifti) -> NDArray[Any]:
    """The reference's values in the axes of ``ours``, which lies at the same place within 1e-3 mm."""
    turned = dcm2niix.in_axes_of(theirs, ours.affine)
    assert np.abs(turned.affine - ours.affine).max() < 1e-3
    return turned.array


@pytest.mark.parametrize("case", REFERENCES)
@pytest.mark.parametrize("load", [Path, dcmread], ids=["from files", "from memory"])
def test_every_volume_of_a_real_series_is_that_of_the_reference(case: str, load: Callable[[Path], Path]) -> None:
    pattern, reference, names = REFERENCES[case]
    whole = dcm2niix.read(shared_data(reference.partition("/")[0]) / reference.partition("/")[2])
    volumes = dict(volumes_of_series([load(path) for path in files(pattern)]))
    assert list(volumes) == names
    assert len(names) == whole.array.shape[3]
    for number, series in enumerate(volumes.values()):
        theirs = assert_at(series.volume, dcm2niix.Nifti(whole.array[..., number], whole.affine))
        assert np.array_equal(theirs, series.volume.array)
        assert series.notes == ()
        assert len(series.sources) == len(series.volume.array)


def test_magnitude_and_field_map_of_one_real_enhanced_image_are_those_of_the_reference() -> None:
    """Stored values and places are the reference's; dcm2niix scales by Philips' private slope, we by the standard's."""
    volumes = dict(volumes_of_series(files("enhanced-mr/IM_0027_fMAP.dcm")))
    assert list(volumes) == ["ComplexImageComponent MAGNITUDE", "ComplexImageComponent REAL"]
    names = ("Philips_WIP_B0_NS_801_e1.nii", "Philips_WIP_B0_NS_801_e2_fieldmaphz.nii")
    for series, name in zip(volumes.values(), names, strict=True):
        image = nibabel.nifti1.Nifti1Image.from_filename(shared_data("enhanced-mr") / name)
        stored = assert_at(series.volume, dcm2niix.Nifti(_stored(image), np.asarray(image.affine)))
        frame = series.sources[0]
        expected = stored * float(frame.RescaleSlope) + float(frame.RescaleIntercept)
        assert np.array_equal(series.volume.array, expected.astype(np.float32))
    written = json.loads((shared_data("enhanced-mr") / "Philips_WIP_B0_NS_801_e1.json").read_text())
    magnitude = next(iter(volumes.values())).sources[0]
    assert float(magnitude.RescaleSlope) == pytest.approx(written["PhilipsRescaleSlope"], rel=1e-5)


def _stored(image: Any) -> NDArray[Any]:
    """Values of a NIfTI file before its scale."""
    return np.asarray(image.dataobj.get_unscaled())


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "mr-series/ge-mr_0007/*.dcm",
            r"10 volumes .*: temporal position 1 by InstanceNumber \(15 slices\); .*; and 6",
        ),
        ("mr-series/siemens-mr_0003/*.dcm", r"2 volumes .*: AcquisitionNumber 1 \(5 slices\); AcquisitionNumber 2 "),
        ("enhanced-mr/6_*.dcm", r"4 volumes .*: TemporalPositionIndex 1 \(6 slices\); .* 4 \(6 slices\)\. A model"),
        ("enhanced-mr/IM_0027_fMAP.dcm", r"2 volumes .*: ComplexImageComponent MAGNITUDE \(32 slices\); .* REAL \(32"),
    ],
)
def test_a_series_with_several_volumes_is_refused_with_what_was_found(pattern: str, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        build_volume(files(pattern))


def test_one_of_the_images_alone_is_the_volume() -> None:
    volumes = [series.volume for _, series in volumes_of_series(files("enhanced-mr/6_*.dcm"))]
    alone = build_volume(files("enhanced-mr/6_3.dcm")).volume
    assert np.array_equal(alone.array, volumes[2].array)
    assert not np.array_equal(alone.array, volumes[1].array)


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """Four axial slices 2 mm apart."""
    affine = np.array([[0, 0, 1.5, -20], [0, 1.25, 0, -30], [2, 0, 0, 10], [0, 0, 0, 1]], dtype=float)
    study = PhantomStudy(seed="several", acquired_at=datetime(2026, 3, 4, tzinfo=UTC))
    array = np.random.default_rng(0).integers(0, 4000, (4, 6, 5))
    paths = write_series(tmp_path, Volume(array, affine, "1.2.3"), study=study, protocol=PROTOCOLS["T1"])
    return [dcmread(path) for path in paths]


def again(series: Sequence[Dataset], number: int, **elements: object) -> Series:
    """The same slices as new images with other elements, acquired slice by slice later and later."""
    images = deepcopy(list(series))
    for image in images:
        image.SOPInstanceUID += f".{number}"
        image.InstanceNumber += 10 * number
        image.AcquisitionTime = f"{100000 + 100 * number + int(image.InstanceNumber)}"
        for keyword, value in elements.items():
            setattr(image, keyword, value)
    return images


def names_of(images: Series) -> dict[str, int]:
    return {name: len(found.sources) for name, found in volumes_of_series(images)}


def test_diffusion_volumes_are_named_by_b_value_and_then_by_direction(series: Series) -> None:
    images = [
        *again(series, 1, DiffusionBValue=0.0),
        *again(series, 2, DiffusionBValue=1000.0, DiffusionGradientOrientation=[1, 0, 0]),
        *again(series, 3, DiffusionBValue=1000.0, DiffusionGradientOrientation=[0, 1, 0]),
    ]
    assert names_of(images) == {
        "DiffusionBValue 0": 4,
        "DiffusionBValue 1000, DiffusionGradientOrientation 0\\1\\0": 4,
        "DiffusionBValue 1000, DiffusionGradientOrientation 1\\0\\0": 4,
    }


def test_echoes_come_in_the_order_of_their_times_and_each_has_its_own_voxels(series: Series) -> None:
    images = [image for number in (3, 1, 2) for image in again(series, number, EchoTime=number * 10)]
    for image in images:
        image.RescaleSlope, image.RescaleIntercept = 1, int(image.EchoTime)
    volumes = dict(volumes_of_series(images))
    assert list(volumes) == ["EchoTime 10", "EchoTime 20", "EchoTime 30"]
    plain = build_volume(series).volume.array
    for volume, echo in zip(volumes.values(), (10, 20, 30), strict=True):
        assert np.array_equal(volume.volume.array, plain + echo)


def test_a_last_time_point_that_was_broken_off_is_named_and_counted(series: Series) -> None:
    points = [again(series, number, TemporalPositionIdentifier=number) for number in (1, 2, 3)]
    images = [*points[0], *points[1], *points[2][:2]]
    assert names_of(images) == {"TemporalPositionIdentifier 1": 4, "TemporalPositionIdentifier 2": 4} | {
        "TemporalPositionIdentifier 3": 2
    }
    with pytest.raises(GeometryError, match=r"3 volumes .* TemporalPositionIdentifier 3 \(2 slices\)"):
        build_volume(images)


def test_images_that_nothing_tells_apart_are_not_split(series: Series) -> None:
    """Acquisition times that differ from slice to slice name no volume, and what came twice is no time point."""
    images = [*again(series, 1), *again(series, 2)]
    for function in (build_volume, lambda found: list(volumes_of_series(found))):
        with pytest.raises(GeometryError, match="2 images at each of 4 slice positions, so 2 volumes"):
            function(images)


def test_one_volume_has_no_name(series: Series) -> None:
    assert names_of(series) == {"": 4}


def test_a_mosaic_that_does_not_say_how_its_slices_lie_is_refused() -> None:
    def mosaic() -> Dataset:
        return dcmread(files("mr-series/siemens-mr_0003/*.dcm")[0])

    without_count, without_normal, damaged, uneven = mosaic(), mosaic(), mosaic(), mosaic()
    del without_count[0x0019100A]
    del without_normal[0x00291010]
    damaged[0x00291010].value = damaged[0x00291010].value[:900]
    uneven[0x0019100A].value = 17
    for image, message in (
        (without_count, "image 2 is a mosaic of several slices in one image, without NumberOfImagesInMosaic"),
        (without_normal, "image 2 is a mosaic without Siemens' CSA header"),
        (damaged, "image 2 has a damaged CSA header"),
        (uneven, "image 2 is a mosaic whose 17 slices do not fill its matrix"),
    ):
        with pytest.raises((GeometryError, InstanceError), match=message):
            build_volume([image])
