"""dcmqi (3D Slicer), highdicom and cornerstone (OHIF) read the same from a segmentation in each of its forms."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.volume.builder import volumes_of_series
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.reader import read
from ainode_dicom_sr.reader_findings import findings_in
from ainode_dicom_sr.reader_model import ReadReport
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation, segmentations
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_models.errors import EncodingError, InputError
from ainode_models.findings import Findings, Segment
from peers.cornerstone import SeenSegment
from peers.dicom_checkers import assert_valid_iod, entity_warnings
from peers.dicom_sources import EQUIPMENT, findings, series, with_pixels, write
from peers.enhanced_series import as_enhanced
from peers.segmentation_readers import Reading, read_by_cornerstone, read_by_dcmqi, read_by_highdicom


def _sources(kind: str, folder: Path) -> Sequence[Dataset]:
    if kind == "enhanced":
        path = as_enhanced(with_pixels(series("oblique")), folder / "enhanced.dcm", order=range(19, -1, -1))
        (volume,) = (volume for _, volume in volumes_of_series([path]))
        return volume.sources
    return series(kind, direction=-1)


def _in_each(run: Findings, form: SegmentationForm) -> Sequence[Sequence[Segment]]:
    """Segments of each object of a form, in the order of their numbers."""
    return [[segment] for segment in run.present] if form is SegmentationForm.SPLIT else [run.present]


def _meant(run: Findings, segments: Sequence[Segment]) -> Reading:
    assert run.label_map is not None
    voxels = sum(np.uint8(number) * (run.label_map == item.number) for number, item in enumerate(segments, start=1))
    return Reading(
        np.asarray(voxels),
        {
            number: SeenSegment(
                item.label,
                (item.category.value, item.category.scheme),
                (item.type.value, item.type.scheme),
                item.color,
            )
            for number, item in enumerate(segments, start=1)
        },
    )


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        *product(("oblique", "enhanced"), SegmentationForm),
        ("axial", SegmentationForm.BINARY),
        ("axial", SegmentationForm.LABELMAP),
    ],
)
def test_three_programs_read_the_same_voxels_places_labels_codes_and_colours(
    kind: str, form: SegmentationForm, tmp_path: Path
) -> None:
    sources, run = _sources(kind, tmp_path), findings()
    made = segmentations(run, sources, EQUIPMENT, form=form)
    for number, (ds, segments) in enumerate(zip(made, _in_each(run, form), strict=True)):
        path, meant = tmp_path / f"seg{number}.dcm", _meant(run, segments)
        path.write_bytes(encoded(ds))
        for found in (
            read_by_dcmqi(path, sources, tmp_path / f"dcmqi{number}"),
            read_by_highdicom(path, sources),
            read_by_cornerstone(path, sources, tmp_path / f"cornerstone{number}"),
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
    run = findings(labels)
    made = segmentations(run, sources, EQUIPMENT, form=form)
    for number, (written, segments) in enumerate(zip(made, _in_each(run, form), strict=True)):
        path = tmp_path / f"seg{number}.dcm"
        path.write_bytes(encoded(written))
        ds = dcmread(path)
        if form is SegmentationForm.LABELMAP:
            assert np.array_equal(ds.pixel_array, np.array([0, 1, 0, 2], np.uint8)[labels])
            assert len(ds.PixelData) < 1.1 * labels.size
        else:
            assert np.array_equal(ds.pixel_array, np.concatenate([labels == item.number for item in segments]))
            assert len(ds.PixelData) == -(-len(segments) * labels.size // 16) * 2


@pytest.mark.parametrize("form", SegmentationForm)
def test_the_source_headers_stay_as_they_were(form: SegmentationForm) -> None:
    sources = series()
    segmentations(findings(), sources, EQUIPMENT, form=form)
    assert sources == series()


def test_split_objects_share_a_series_and_describe_their_segments_as_the_whole_does_but_for_the_number(
    tmp_path: Path,
) -> None:
    """Of segments that lie apart, one of them on every other slice."""
    labels = np.zeros((9, 64, 48), np.uint8)
    labels[1::2, 5:9, 5:30], labels[2:6, 20:40, 7:12] = 1, 3
    sources, run = series("oblique", slices=9), findings(labels)
    whole = segmentation(run, sources, EQUIPMENT)
    parts = segmentations(run, sources, EQUIPMENT, form=SegmentationForm.SPLIT)
    assert [encoded(part) for part in parts] == [
        encoded(part) for part in segmentations(run, sources, EQUIPMENT, form=SegmentationForm.SPLIT)
    ]
    paths = [tmp_path / f"split{part.InstanceNumber}.dcm" for part in parts]
    for part, path in zip(parts, paths, strict=True):
        path.write_bytes(encoded(part))
        assert_valid_iod(path)
    assert entity_warnings([*paths, *write(sources, tmp_path / "sources")]) == []
    assert [path.name for path in paths] == ["split1.dcm", "split2.dcm"]
    assert len({part.SeriesInstanceUID for part in parts} | {whole.SeriesInstanceUID}) == 2
    assert len({part.SOPInstanceUID for part in parts} | {whole.SOPInstanceUID}) == 3
    assert [(part.ContentLabel, part.ContentDescription) for part in parts] == [
        ("AI_SEGMENT_1", "Necrosis: AI segmentation by brain-tumour-demo 1.0.0"),
        ("AI_SEGMENT_2", "Enhancing tumour: AI segmentation by brain-tumour-demo 1.0.0"),
    ]
    for number, part in enumerate(map(dcmread, paths), start=1):
        (segment,) = part.SegmentSequence
        assert segment.SegmentNumber == 1
        segment.SegmentNumber = number
        assert segment == whole.SegmentSequence[number - 1]
        placed = [frame.FrameContentSequence[0].DimensionIndexValues for frame in part.PerFrameFunctionalGroupsSequence]
        assert placed == [[1, place] for place in range(1, 5)]


def test_the_report_refers_for_each_group_to_the_object_that_holds_its_segment(tmp_path: Path) -> None:
    run, sources = findings(), series()
    parts = segmentations(run, sources, EQUIPMENT, form=SegmentationForm.SPLIT)
    sr = measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=parts)
    (tmp_path / "sr.dcm").write_bytes(encoded(sr))
    assert_valid_iod(tmp_path / "sr.dcm")
    reading = read(sr)
    assert isinstance(reading, ReadReport)
    referred = {group.tracking_uid: group.segments for group in reading.groups if group.segments}
    assert {uid: [(each.sop_instance_uid, each.segments) for each in found] for uid, found in referred.items()} == {
        segment.tracking_uid: [(part.SOPInstanceUID, (1,))] for segment, part in zip(run.present, parts, strict=True)
    }
    with pytest.raises(EncodingError, match="no segment with the TrackingUID of label 3"):
        measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=parts[:1])
    assert findings_in(sr, *parts).label_map is not None
    with pytest.raises(InputError, match="give all that its report refers to"):
        findings_in(sr, *parts[1:])
