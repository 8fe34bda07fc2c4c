"""dcmqi (3D Slicer), highdicom and cornerstone (OHIF) read the same from a segmentation in either form."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.volume.builder import volumes_of_series
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.segmentation import segmentation
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_models.findings import Findings
from peers.cornerstone import SeenSegment
from peers.dicom_sources import EQUIPMENT, findings, series, with_pixels
from peers.enhanced_series import as_enhanced
from peers.segmentation_readers import Reading, read_by_cornerstone, read_by_dcmqi, read_by_highdicom


def _sources(kind: str, folder: Path) -> Sequence[Dataset]:
    if kind == "enhanced":
        path = as_enhanced(with_pixels(series("oblique")), folder / "enhanced.dcm", order=range(19, -1, -1))
        (volume,) = (volume for _, volume in volumes_of_series([path]))
        return volume.sources
    return series(kind, direction=-1)


def _meant(run: Findings) -> Reading:
    assert run.label_map is not None
    voxels = sum(np.uint8(number) * (run.label_map == item.number) for number, item in enumerate(run.present, start=1))
    return Reading(
        np.asarray(voxels),
        {
            number: SeenSegment(
                item.label,
                (item.category.value, item.category.scheme),
                (item.type.value, item.type.scheme),
                item.color,
            )
            for number, item in enumerate(run.present, start=1)
        },
    )


@pytest.mark.parametrize("form", SegmentationForm)
@pytest.mark.parametrize("kind", ["axial", "oblique", "enhanced"])
def test_three_programs_read_the_same_voxels_places_labels_codes_and_colours(
    kind: str, form: SegmentationForm, tmp_path: Path
) -> None:
    sources, run, path = _sources(kind, tmp_path), findings(), tmp_path / "seg.dcm"
    path.write_bytes(encoded(segmentation(run, sources, EQUIPMENT, form=form)))
    meant = _meant(run)
    for found in (
        read_by_dcmqi(path, sources, tmp_path / "dcmqi"),
        read_by_highdicom(path, sources),
        read_by_cornerstone(path, sources, tmp_path / "cornerstone"),
    ):
        assert np.array_equal(found.voxels, meant.voxels)
        assert found.segments == meant.segments


@pytest.mark.parametrize("form", SegmentationForm)
@pytest.mark.parametrize("present", [(1,), (1, 3)], ids=["one segment", "two segments"])
def test_frames_of_any_size_with_runs_of_any_length_are_what_pydicom_decodes(
    present: tuple[int, ...], form: SegmentationForm, tmp_path: Path
) -> None:
    slices, rows, columns = 9, 7, 301  # a frame fills no whole bytes; a row is longer than two longest runs
    labels = np.random.default_rng(3).choice(np.array([0, *present], np.uint8), (slices, rows, columns))
    labels[:, :, :280] = np.repeat(labels[:, :, :7], 40, axis=2)
    labels[:, 0, :129], labels[:, 1] = present[-1], present[-1]
    sources = series(direction=-1, slices=slices)  # the order in which highdicom sorts frames
    for source in sources:
        source.Rows, source.Columns = rows, columns
    path = tmp_path / "seg.dcm"
    path.write_bytes(encoded(segmentation(findings(labels), sources, EQUIPMENT, form=form)))
    ds = dcmread(path)
    frames = ds.pixel_array
    if form is SegmentationForm.LABELMAP:
        assert np.array_equal(frames, np.array([0, 1, 0, 2], np.uint8)[labels])
        assert len(ds.PixelData) < 1.1 * labels.size
    else:
        assert np.array_equal(frames, np.concatenate([labels == number for number in present]))
        assert len(ds.PixelData) == -(-len(present) * labels.size // 16) * 2


@pytest.mark.parametrize("form", SegmentationForm)
def test_the_source_headers_stay_as_they_were(form: SegmentationForm) -> None:
    sources = series()
    segmentation(findings(), sources, EQUIPMENT, form=form)
    assert sources == series()
