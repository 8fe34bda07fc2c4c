"""Segmentations on frames of enhanced images and on tiles of mosaics refer to what the PACS has."""

from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from ainode.volume.builder import SeriesVolume, volumes_of_series
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.findings import Findings
from peers.dicom_checkers import assert_valid_iod, segment_images
from peers.dicom_sources import EQUIPMENT, findings
from peers.shared_data import shared_data


def found_in(series: SeriesVolume) -> Findings:
    labels = np.zeros(series.volume.array.shape, np.uint8)
    labels[1:4, 10:20, 10:18] = 1
    labels[2, 30:33, 5:9] = 2
    return findings(labels)


def last_volume(*paths: Path) -> SeriesVolume:
    return list(volumes_of_series(paths))[-1][1]


@pytest.mark.parametrize("name", ["6_2.dcm", "IM_0027_fMAP.dcm"])
def test_a_segmentation_refers_to_the_frames_that_it_lies_on(name: str, tmp_path: Path) -> None:
    source = shared_data("enhanced-mr") / name
    series = last_volume(source)
    run = found_in(series)
    assert run.label_map is not None
    path = tmp_path / "seg.dcm"
    result = segmentation(run, series.sources, EQUIPMENT)
    path.write_bytes(encoded(result))
    assert_valid_iod(path)

    image = dcmread(source, stop_before_pixels=True)
    seg = highdicom.seg.segread(path)
    assert seg.get_source_image_uids() == [(image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID)]
    assert [str(item.ReferencedSOPClassUID) for item in seg.SourceImageSequence] == [image.SOPClassUID]
    frames = [int(frame.ReferencedFrameNumber) for frame in series.sources]
    by_frame = seg.get_pixels_by_source_frame(
        image.SOPInstanceUID, frames, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(by_frame, run.label_map)

    for number, found in segment_images(path, tmp_path / "dcmqi").items():
        places = np.argwhere(found.array) @ found.affine[:3, :3].T + found.affine[:3, 3]
        grid = series.volume.affine
        voxels = np.rint(np.linalg.solve(grid[:3, :3], (places - grid[:3, 3]).T).T).astype(int)
        assert sorted(map(tuple, voxels)) == sorted(map(tuple, np.argwhere(run.label_map == number)))

    report = tmp_path / "sr.dcm"
    report.write_bytes(
        encoded(measurement_report(run, [image], EQUIPMENT, reference_sources=series.sources, segmentations=[result]))
    )
    assert_valid_iod(report)
    evidence = dcmread(report).CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    uids = [
        str(item.ReferencedSOPInstanceUID) for series_item in evidence for item in series_item.ReferencedSOPSequence
    ]
    assert uids == [image.SOPInstanceUID, result.SOPInstanceUID]


def test_a_segmentation_of_a_mosaic_names_the_image_and_does_not_claim_its_pixel_places(tmp_path: Path) -> None:
    source = shared_data("mr-series") / "siemens-mr_0003" / "epi_pe_ap-00002.dcm"
    series = last_volume(source)
    result = segmentation(found_in(series), series.sources, EQUIPMENT)
    path = tmp_path / "seg.dcm"
    path.write_bytes(encoded(result))
    assert_valid_iod(path)
    image = dcmread(source, stop_before_pixels=True)
    seg = dcmread(path)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        (reference,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == image.SOPInstanceUID
        assert "ReferencedFrameNumber" not in reference
        assert reference.SpatialLocationsPreserved == "NO"
    assert [item.ReferencedSOPInstanceUID for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence] == [
        image.SOPInstanceUID
    ]
