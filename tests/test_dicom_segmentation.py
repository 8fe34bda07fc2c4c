"""DICOM Segmentation, read back by dicom3tools, dcmqi and highdicom."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings
from peers import dicom_sources
from peers.dicom_checkers import assert_valid_iod, entity_warnings, segment_images
from peers.dicom_sources import EQUIPMENT, findings, label_map, series, write
from peers.segmentation_readers import on_grid
from peers.shared_data import shared_data


def _assert_same_place(path: Path, run: Findings, sources: Sequence[Dataset], folder: Path) -> None:
    """dcmqi, and highdicom in two ways, must read each segment of ``path`` at the voxels of the label map."""
    labels = run.label_map
    assert labels is not None
    expected = {number: labels == segment.number for number, segment in enumerate(run.present, start=1)}

    images = segment_images(path, folder)
    assert images.keys() == expected.keys()
    for number, image in images.items():
        placed = on_grid(image.array, image.affine, sources, labels.shape)
        assert np.array_equal(placed != 0, expected[number])

    renumbered = sum(np.uint8(number) * mask for number, mask in expected.items())
    seg = highdicom.seg.segread(path)
    by_instance = seg.get_pixels_by_source_instance(
        [ds.SOPInstanceUID for ds in sources], combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(by_instance, renumbered)

    volume = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    assert np.array_equal(on_grid(volume.array, volume.affine, sources, labels.shape), renumbered)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("orientation", ["axial", "sagittal", "coronal", "oblique"])
def test_segments_are_at_the_voxels_of_the_label_map(
    orientation: str, direction: Literal[1, -1], tmp_path: Path
) -> None:
    sources = series(orientation, direction=direction)
    (tmp_path / "seg.dcm").write_bytes(encoded(segmentation(findings(), sources, EQUIPMENT)))
    assert_valid_iod(tmp_path / "seg.dcm")
    _assert_same_place(tmp_path / "seg.dcm", findings(), sources, tmp_path / "dcmqi")


def test_segments_are_at_the_voxels_of_the_label_map_on_a_real_oblique_head(tmp_path: Path) -> None:
    files = sorted((shared_data("mr-head") / "dicoms").iterdir())
    sources = [dcmread(file, stop_before_pixels=True) for file in files]
    sources.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    labels = label_map((len(sources), int(sources[0].Rows), int(sources[0].Columns)))
    labels[:, 100:] = 0  # fewer voxels, for speed alone
    run = findings(labels)
    path = tmp_path / "seg.dcm"
    path.write_bytes(encoded(segmentation(run, sources, EQUIPMENT)))
    assert_valid_iod(path)
    _assert_same_place(path, run, sources, tmp_path / "dcmqi")
    # The source has "42" for an age, which is none and would make ours invalid too.
    assert [line for line in entity_warnings([path, *files[:3]]) if "PatientAge" not in line] == []


def test_a_segmentation_belongs_to_the_patient_study_and_frame_of_its_sources(tmp_path: Path) -> None:
    sources = series()
    (tmp_path / "seg.dcm").write_bytes(encoded(segmentation(findings(), sources, EQUIPMENT)))
    assert entity_warnings([tmp_path / "seg.dcm", *write(sources, tmp_path / "sources")]) == []


def test_a_segmentation_says_what_it_shows_and_that_a_model_made_it() -> None:
    result = segmentation(findings(), series(), EQUIPMENT)
    assert (result.SegmentationType, result.SegmentsOverlap) == ("BINARY", "NO")
    assert result.ContentQualification == "RESEARCH"
    assert result.SeriesDescription == "AI brain-tumour-demo SEG - NOT FOR DIAGNOSTIC USE"
    assert (result.ContentLabel, result.SeriesNumber) == ("AI_SEGMENTATION", 1004)
    assert [str(result.ContentDate), str(result.ContentTime)] == ["20260104", "112233"]
    assert result.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices == 3
    assert [result.Manufacturer, result.DeviceSerialNumber] == ["ainode project", "node-1"]
    model = result.ContributingEquipmentSequence[0]
    assert model.DeviceUID == dicom_sources.ALGORITHM.device_uid
    assert [item.PurposeOfReferenceCodeSequence[0].CodeValue for item in result.ContributingEquipmentSequence] == [
        "109102",
        "109101",
    ]


def test_present_labels_are_numbered_without_gaps_and_known_by_their_tracking_uid() -> None:
    run = findings()
    segments = segmentation(run, series(), EQUIPMENT).SegmentSequence
    assert [item.SegmentNumber for item in segments] == [1, 2]
    assert [item.SegmentLabel for item in segments] == ["Necrosis", "Enhancing tumour"]
    assert [(item.TrackingID, item.TrackingUID) for item in segments] == [
        (segment.tracking_id, segment.tracking_uid) for segment in run.present
    ]
    last = segments[1]
    assert last.SegmentedPropertyTypeCodeSequence[0].CodeValue == "C113842"
    assert last.AnatomicRegionSequence[0].CodeValue == "12738006"
    assert highdicom.color.CIELabColor.from_dicom_value(last.RecommendedDisplayCIELabValue).to_rgb() == (0, 160, 255)
    assert last.SegmentAlgorithmName == "brain-tumour-demo"
    family = last.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence[0]
    assert (family.CodeValue, family.CodingSchemeDesignator) == ("123110", "DCM")


def test_encoding_the_same_run_twice_gives_the_same_bytes() -> None:
    first, second = (encoded(segmentation(findings(), series(), EQUIPMENT)) for _ in range(2))
    assert first == second


def test_lossy_compression_of_the_source_is_inherited() -> None:
    sources = series()
    for ds in sources:
        ds.LossyImageCompression, ds.LossyImageCompressionRatio = "01", 12
    result = segmentation(findings(), sources, EQUIPMENT)
    assert (result.LossyImageCompression, result.LossyImageCompressionRatio) == ("01", 12)


def _without(keyword: str) -> Callable[[], Dataset]:
    def build() -> Dataset:
        sources = series()
        del sources[7][keyword]
        return segmentation(findings(), sources, EQUIPMENT)

    return build


def _turned() -> Dataset:
    return segmentation(findings(), [*series()[:-1], series("coronal")[-1]], EQUIPMENT)


def _miscounted() -> Dataset:
    run = findings()
    return segmentation(replace(run, segments=run.segments[:2]), series(), EQUIPMENT)


def _with_long_label() -> Dataset:
    run = findings()
    return segmentation(
        replace(run, segments=(replace(run.segments[0], label="x" * 65), *run.segments[1:])), series(), EQUIPMENT
    )


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: segmentation(findings(np.zeros_like(label_map())), series(), EQUIPMENT), "no voxel of any segment"),
        (lambda: segmentation(dicom_sources.failed(), series(), EQUIPMENT), "no voxel of any segment"),
        (lambda: segmentation(findings(), [], EQUIPMENT), "none were given"),
        (lambda: segmentation(findings(), series(slices=19), EQUIPMENT), r"\(20, 64, 48\).*\(19, 64, 48\)"),
        (_without("FrameOfReferenceUID"), "source image 7 lacks FrameOfReferenceUID"),
        (_without("ImagePositionPatient"), "source image 7 lacks ImagePositionPatient"),
        (_turned, "do not share one ImageOrientationPatient"),
        (_miscounted, "disagree for label 3"),
        (_with_long_label, "label of segment 1 must have at most 64 characters"),
    ],
)
def test_what_cannot_be_a_segmentation_is_refused_with_its_reason(build: Callable[[], Dataset], words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        build()
