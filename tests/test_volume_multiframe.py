"""Enhanced CT, MR and PET images that highdicom converted read as the classic series that they were converted from."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.volume.builder import build_volume
from ainode_models.errors import GeometryError, InstanceError
from ainode_models.volume import Volume
from peers.enhanced_series import CONVERTERS, as_enhanced, read_all

ORDER = (3, 0, 4, 1, 2)


@pytest.fixture
def classic(tmp_path: Path) -> list[Dataset]:
    """Five oblique slices 3 mm apart."""
    affine = np.array([[0, 0, 1.5, -20], [-1.8, 1.0, 0, -30], [2.4, 0.75, 0, 10], [0, 0, 0, 1]], dtype=float)
    study = PhantomStudy(seed="enhanced", acquired_at=datetime(2026, 3, 4, tzinfo=UTC), patient_name="SECRET^NAME")
    array = np.random.default_rng(0).integers(0, 4000, (5, 6, 7))
    return read_all(write_series(tmp_path, Volume(array, affine, "1.2.3"), study=study, protocol=PROTOCOLS["T1"]))


@pytest.fixture
def enhanced(classic: list[Dataset], tmp_path: Path) -> Dataset:
    return dcmread(as_enhanced(classic, tmp_path / "enhanced.dcm", order=ORDER))


@pytest.mark.parametrize("modality", CONVERTERS)
def test_frames_in_any_order_with_their_own_rescale_read_as_the_classic_slices(
    modality: str, classic: list[Dataset], tmp_path: Path
) -> None:
    for index, image in enumerate(classic):
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 0.5 + index, -1024, "US"
    expected = build_volume(classic)
    path = as_enhanced(classic, tmp_path / "enhanced.dcm", modality, order=ORDER)
    given: tuple[list[Path | Dataset], ...] = ([path], [dcmread(path)], [path, dcmread(path)])
    for images in given:
        built = build_volume(images)
        assert np.array_equal(built.volume.array, expected.volume.array)
        assert built.volume.array.dtype == np.float32
        assert np.abs(built.volume.affine - expected.volume.affine).max() < 1e-6
        assert [int(source.ReferencedFrameNumber) for source in built.sources] == [ORDER.index(k) + 1 for k in range(5)]


def test_a_missing_frame_is_named_like_a_missing_slice(classic: list[Dataset], tmp_path: Path) -> None:
    path = as_enhanced([*classic[:2], *classic[3:]], tmp_path / "enhanced.dcm")
    with pytest.raises(GeometryError, match=r"missing slices: after frame \d of image 1 at .* 1 missing there"):
        build_volume([path])


def test_a_multi_frame_image_that_does_not_place_its_frames_is_refused(enhanced: Dataset) -> None:
    enhanced.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    with pytest.raises(GeometryError, match=r"image 1 is multi-frame \(5 frames\) without the functional groups"):
        build_volume([enhanced])


def test_frames_without_a_place_or_description_are_refused_without_patient_data(enhanced: Dataset) -> None:
    groups = enhanced.PerFrameFunctionalGroupsSequence
    position = groups[2].PlanePositionSequence
    del groups[2].PlanePositionSequence
    with pytest.raises(GeometryError, match="frame 3 of image 1 has no ImagePositionPatient"):
        build_volume([enhanced])
    groups[2].PlanePositionSequence = position
    groups[2].PlanePositionSequence[0].ImagePositionPatient = [1, 2]
    with pytest.raises(GeometryError, match="frame 3 of image 1 has a ImagePositionPatient that is not 3 finite"):
        build_volume([enhanced])
    del enhanced.PerFrameFunctionalGroupsSequence[2]
    with pytest.raises(InstanceError, match="image 1 says it has 5 frames, but describes 4") as refusal:
        build_volume([enhanced])
    assert "SECRET" not in str(refusal.value)


def test_fewer_frames_of_pixels_than_described_are_refused(enhanced: Dataset) -> None:
    enhanced.PixelData = enhanced.PixelData[: 4 * 6 * 7 * 2]
    with pytest.raises(InstanceError, match=r"^image 1 has pixel data that are absent, cut short or damaged"):
        build_volume([enhanced])


def test_a_damaged_private_element_that_nothing_reads_is_no_obstacle(enhanced: Dataset, tmp_path: Path) -> None:
    whole = build_volume([enhanced]).volume
    enhanced.private_block(0x0029, "ACME", create=True).add_new(0x01, "LO", "private")
    enhanced.save_as(tmp_path / "damaged.dcm")
    content = (tmp_path / "damaged.dcm").read_bytes()
    (tmp_path / "damaged.dcm").write_bytes(content.replace(b"\x29\x00\x01\x10LO", b"\x29\x00\x01\x10QQ"))
    assert np.array_equal(build_volume([tmp_path / "damaged.dcm"]).volume.array, whole.array)
