"""Probabilities as Parametric Map, read back by dcmqi (3D Slicer's reader), highdicom and dicom3tools."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode.volume.builder import volumes_of_series
from ainode.volume.geometry import stack_slices
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.parametric_map import LEAST, parametric_map
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings, Segment
from peers.dicom_checkers import SegmentImage, assert_valid_iod, entity_warnings
from peers.dicom_sources import ALGORITHM, EQUIPMENT, SHAPE, affine, findings, label_map, series, with_pixels, write
from peers.enhanced_series import as_enhanced, read_all
from peers.probable import map_by_dcmqi, values_at, with_probabilities
from peers.shared_data import shared_data

RUN = with_probabilities(findings())
NECROSIS, OEDEMA, ENHANCING = RUN.segments


def planes(run: Findings, segment: Segment) -> NDArray[np.float16]:
    assert run.probabilities is not None
    return np.asarray(run.probabilities[run.segments.index(segment)])


def written(path: Path, sources: Sequence[Dataset], run: Findings = RUN, segment: Segment = NECROSIS) -> Path:
    path.write_bytes(encoded(parametric_map(run, segment, sources, EQUIPMENT)))
    assert_valid_iod(path)
    return path


def assert_same_values(read: NDArray[np.float64], run: Findings, segment: Segment) -> None:
    """Where ``read`` has a value it is that of the run, exactly; elsewhere there is hardly any."""
    wanted = planes(run, segment)
    there = ~np.isnan(read)
    assert there[:, 0, 0].any()
    assert np.array_equal(read[there], wanted[there].astype(np.float64))
    assert not (wanted[~there] >= LEAST).any()


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("orientation", ["axial", "sagittal", "coronal", "oblique"])
def test_probabilities_are_at_the_voxels_of_their_source(
    orientation: str, direction: Literal[1, -1], tmp_path: Path
) -> None:
    sources = series(orientation, direction=direction)
    path = written(tmp_path / "pm.dcm", sources)
    grid = affine(sources)
    assert_same_values(values_at(map_by_dcmqi(path, tmp_path / "dcmqi"), grid, SHAPE), RUN, NECROSIS)

    pm = highdicom.pm.ParametricMap.from_file(path)
    volume = pm.get_volume(apply_real_world_transform=True)
    assert_same_values(values_at(SegmentImage(volume.array, volume.affine), grid, SHAPE), RUN, NECROSIS)
    raw = pm.get_volume(apply_real_world_transform=False).array
    assert np.array_equal(raw, volume.array), "stored values are the probabilities themselves"


def test_frames_of_an_enhanced_image_are_what_a_map_lies_on(tmp_path: Path) -> None:
    classic = read_all(write(with_pixels(series("oblique")), tmp_path / "classic"))
    image = as_enhanced(classic, tmp_path / "enhanced.dcm")
    stack = stack_slices(read_all([image]))
    path = written(tmp_path / "pm.dcm", stack.headers, segment=ENHANCING)
    assert_same_values(values_at(map_by_dcmqi(path, tmp_path / "dcmqi"), stack.affine, SHAPE), RUN, ENHANCING)
    source = dcmread(image, stop_before_pixels=True)
    for frame in dcmread(path).PerFrameFunctionalGroupsSequence:
        (reference,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        place = source.PerFrameFunctionalGroupsSequence[int(reference.ReferencedFrameNumber) - 1].PlanePositionSequence
        assert np.allclose(
            place[0].ImagePositionPatient, frame.PlanePositionSequence[0].ImagePositionPatient, atol=1e-6
        )


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("enhanced-mr", "6_2.dcm"),
        ("enhanced-mr", "IM_0027_fMAP.dcm"),
        ("mr-series/siemens-mr_0003", "epi_pe_ap-00002.dcm"),
    ],
)
def test_a_map_lies_on_the_frames_of_scanners_and_on_the_tiles_of_a_mosaic(
    folder: str, name: str, tmp_path: Path
) -> None:
    _, found = list(volumes_of_series([shared_data(folder) / name]))[-1]
    labels = np.zeros(found.volume.array.shape, np.uint8)
    labels[1:4, 10:20, 10:18] = 1
    run = with_probabilities(findings(labels))
    path = written(tmp_path / "pm.dcm", found.sources, run, run.segments[0])
    read = values_at(map_by_dcmqi(path, tmp_path / "dcmqi"), found.volume.affine, labels.shape)
    assert_same_values(read, run, run.segments[0])


@pytest.mark.parametrize("place", [0, 7, SHAPE[0] - 1])
def test_what_is_on_one_slice_has_a_second_one_so_that_readers_know_their_distance(place: int, tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[place, 5:9, 6:9] = 1
    found = findings(labels)
    probabilities = np.zeros((3, *SHAPE), np.float16)
    probabilities[0][labels == 1] = 0.75
    run = replace(found, probabilities=probabilities)
    path = written(tmp_path / "pm.dcm", series(), run, run.segments[0])
    read = values_at(map_by_dcmqi(path, tmp_path / "dcmqi"), affine(series()), SHAPE)
    assert len(np.unique(np.nonzero(~np.isnan(read))[0])) == 2
    assert_same_values(read, run, run.segments[0])


def test_slices_without_probability_lack_at_the_ends_but_not_in_between(tmp_path: Path) -> None:
    labels = label_map()
    occupied = np.flatnonzero((labels == 1).any(axis=(1, 2)))
    assert (np.diff(occupied) > 1).any()
    pm = dcmread(written(tmp_path / "pm.dcm", series()))
    uids = [
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for frame in pm.PerFrameFunctionalGroupsSequence
    ]
    expected = range(occupied[0] - 1, occupied[-1] + 2)
    assert uids == [series()[place].SOPInstanceUID for place in expected]
    assert pm.NumberOfFrames < SHAPE[0]
    assert len(pm.FloatPixelData) == 4 * len(expected) * SHAPE[1] * SHAPE[2]


def test_a_map_says_what_of_and_in_which_unit_and_that_a_model_made_it() -> None:
    pm = parametric_map(RUN, ENHANCING, series(), EQUIPMENT)
    (mapping,) = pm.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert (mapping.LUTLabel, mapping.LUTExplanation) == ("Enhancing tumour", "Probability of Enhancing tumour")
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0] == codes.UCUM.NoUnits
    said = [
        (item.ConceptNameCodeSequence[0].CodeValue, item.ConceptCodeSequence[0].CodeValue)
        for item in mapping.QuantityDefinitionSequence
    ]
    assert said == [("246205007", "122157"), ("121071", "C113842"), ("363698007", "12738006")]
    assert pm.ContentQualification == "RESEARCH"
    assert (pm.SeriesDescription, pm.SeriesNumber, pm.InstanceNumber) == (
        "AI brain-tumour-demo probability - NOT FOR DIAGNOSTIC USE",
        8004,
        3,
    )
    assert [str(pm.ContentDate), str(pm.ContentTime)] == ["20260104", "112233"]
    assert [pm.Manufacturer, pm.DeviceSerialNumber] == ["ainode project", "node-1"]
    assert pm.ContributingEquipmentSequence[0].DeviceUID == ALGORITHM.device_uid
    other = parametric_map(RUN, NECROSIS, series(), EQUIPMENT)
    assert other.SeriesInstanceUID == pm.SeriesInstanceUID
    assert other.SOPInstanceUID != pm.SOPInstanceUID


def test_a_map_belongs_to_the_patient_study_and_frame_of_its_source(tmp_path: Path) -> None:
    path = written(tmp_path / "pm.dcm", series())
    assert entity_warnings([path, *write(series(), tmp_path / "sources")]) == []


def test_a_side_that_the_source_names_is_that_of_the_map() -> None:
    sources = series()
    for ds in sources:
        ds.Laterality, ds.BodyPartExamined, ds.RecognizableVisualFeatures = "L", "HAND", "NO"
    pm = parametric_map(RUN, NECROSIS, sources, EQUIPMENT)
    assert (pm.BodyPartExamined, pm.RecognizableVisualFeatures) == ("HAND", "NO")
    assert pm.SharedFunctionalGroupsSequence[0].FrameAnatomySequence[0].FrameLaterality == "L"
    unsaid = parametric_map(RUN, NECROSIS, series(), EQUIPMENT)
    assert unsaid.RecognizableVisualFeatures == "YES"
    assert unsaid.SharedFunctionalGroupsSequence[0].FrameAnatomySequence[0].FrameLaterality == "U"


def test_encoding_the_same_run_twice_gives_the_same_bytes() -> None:
    first, second = (encoded(parametric_map(RUN, NECROSIS, series(), EQUIPMENT)) for _ in range(2))
    assert first == second


def changed(value: float) -> Findings:
    wrong = planes(RUN, NECROSIS).copy()
    wrong[9, 9, 9] = value
    return replace(RUN, probabilities=np.stack([wrong, wrong, wrong]))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: parametric_map(findings(), NECROSIS, series(), EQUIPMENT), "no probabilities of segment 1"),
        (lambda: parametric_map(RUN, OEDEMA, series(), EQUIPMENT), "no probabilities of segment 2"),
        (lambda: parametric_map(RUN, NECROSIS, series(slices=19), EQUIPMENT), r"\(3, 20, 64, 48\).*\(3, 19, 64, 48\)"),
        (lambda: parametric_map(changed(1.5), NECROSIS, series(), EQUIPMENT), "not all from 0 to 1"),
        (lambda: parametric_map(changed(np.nan), NECROSIS, series(), EQUIPMENT), "not all from 0 to 1"),
        (lambda: parametric_map(RUN, NECROSIS, [], EQUIPMENT), "none were given"),
    ],
)
def test_what_cannot_be_a_map_is_refused_with_its_reason(build: Callable[[], Dataset], words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        build()
