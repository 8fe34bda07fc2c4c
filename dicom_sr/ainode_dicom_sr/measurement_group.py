"""Segments as measurement groups of a report: by TID 1411 where they lie in a segmentation, else by TID 1501."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import cast

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ContentItem,
    ContentSequence,
    CoordinatesForMeasurement3D,
    FindingSite,
    GraphicTypeValues3D,
    ImageContentItem,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    UIDRefContentItem,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode_dicom_sr.coding import concept
from ainode_models.comparison import change_ml
from ainode_models.digits import reported
from ainode_models.errors import EncodingError
from ainode_models.findings import Algorithm, Diameter, Findings, Segment
from ainode_models.uids import derived_uid

ABSENT = CodedConcept("373572006", "SCT", "Clinical finding absent")
CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")
DIFFERENCE = CodedConcept("442714003", "SCT", "Difference in size")
_DIAMETER = CodedConcept("81827009", "SCT", "Diameter")
_MAXIMUM = CodedConcept("56851009", "SCT", "Maximum")
_MEAN = CodedConcept("373098007", "SCT", "Mean")
_MILLILITRE = CodedConcept("mL", "UCUM", "milliliter")
_MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
PERCENT = CodedConcept("%", "UCUM", "percent")
_SERIES = CodedConcept("112002", "DCM", "Series Instance UID")
SOURCE_IMAGE = CodedConcept("121324", "DCM", "Source image")
_VOLUME = CodedConcept("118565006", "SCT", "Volume")


def algorithm_identification(algorithm: Algorithm, parameters: Sequence[str] | None = None) -> AlgorithmIdentification:
    """TID 4019, with the values of the Contributing Equipment (Table 6.5.3.1-1 of IHE AIR)."""
    return AlgorithmIdentification(
        name=algorithm.name,
        version=algorithm.version,
        parameters=parameters,
        family=concept(algorithm.family),
        manufacturer=algorithm.manufacturer,
    )


@dataclass(frozen=True)
class Region:
    """A segment in a segmentation."""

    segmentation: Dataset
    number: int
    """``SegmentNumber``."""


def referenced_segments(segmentations: Sequence[Dataset]) -> Mapping[str, Region]:
    """Where each segment is, by its ``TrackingUID``."""
    return {
        str(item.TrackingUID): Region(each, int(item.SegmentNumber))
        for each in segmentations
        for item in each.SegmentSequence
        if "TrackingUID" in item  # the background of a label map has none
    }


def present_group(findings: Findings, segment: Segment, regions: Mapping[str, Region]) -> ContentItem:
    """TID 1411 group of a present segment: what, where, how large, and which of ``regions`` it is.

    Raises EncodingError when it is none of them.
    TID 1419 has no row for the line of the diameter, but may be extended, and TID 300 has one (row 13, TID 320).
    """
    region = regions.get(segment.tracking_uid)
    if region is None:
        raise EncodingError(f"the segmentation has no segment with the TrackingUID of label {segment.number}")
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(segment),
        referenced_segment=_referenced_segment(region),
        finding_category=concept(segment.category),
        finding_type=concept(segment.type),
        finding_sites=[FindingSite(concept(segment.anatomy))],
        algorithm_id=algorithm_identification(findings.algorithm),
        measurements=_measurements(segment),
    )
    _draw_diameter(group[0], segment, region.segmentation.get("FrameOfReferenceUID"))
    return identified(group[0], findings, str(segment.number))


def measured_group(findings: Findings, segment: Segment, sources: Sequence[Dataset]) -> ContentItem:
    """TID 1501 group of a present segment that no segmentation shows: what, where and how large (IHE AIR 6.5.3.3)."""
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(segment),
        finding_category=concept(segment.category),
        finding_type=concept(segment.type),
        finding_sites=[FindingSite(concept(segment.anatomy))],
        algorithm_id=algorithm_identification(findings.algorithm),
        measurements=_measurements(segment),
    )
    group[0].ContentSequence.extend(_series(sources))
    _draw_diameter(group[0], segment, sources[0].get("FrameOfReferenceUID"))
    return identified(group[0], findings, str(segment.number))


def absent_group(findings: Findings, segment: Segment, sources: Sequence[Dataset]) -> ContentItem:
    """TID 1501 group of a segment that was looked for and not found (IHE AIR A.3.2).

    There is no (121071, DCM, "Finding"), which a hasty reader would take for one.
    """
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(segment),
        finding_sites=[FindingSite(concept(segment.anatomy))],
        algorithm_id=algorithm_identification(findings.algorithm),
        measurements=_differences(segment) or None,
        qualitative_evaluations=[QualitativeEvaluation(ABSENT, concept(segment.type))],
    )
    group[0].ContentSequence.extend(_series(sources))
    return identified(group[0], findings, str(segment.number))


def identified(group: Dataset, findings: Findings, name: str) -> ContentItem:
    """``group`` with ``ObservationUID`` (0040,A171): IHE AIR's result tree and FHIR refer to it by that.

    ``name`` tells it from the other groups of the run: the number of its segment or class.
    """
    group.ContinuityOfContent = "SEPARATE"
    group.ObservationUID = observation_uid(findings, name)
    return cast(ContentItem, group)  # highdicom types items of its templates as plain data sets


def observation_uid(findings: Findings, name: str) -> str:
    """``ObservationUID`` of what a report of the run calls ``name``."""
    return derived_uid(findings.run_id, "SR", "ObservationUID", name)


def _series(sources: Sequence[Dataset]) -> list[ContentItem]:
    """The series as a whole, and its middle slice, which stands for it."""
    middle, contains = sources[len(sources) // 2], RelationshipTypeValues.CONTAINS
    return [
        UIDRefContentItem(_SERIES, middle.SeriesInstanceUID, contains),
        ImageContentItem(SOURCE_IMAGE, middle.SOPClassUID, middle.SOPInstanceUID, relationship_type=contains),
    ]


def _tracking(segment: Segment) -> TrackingIdentifier:
    return TrackingIdentifier(uid=segment.tracking_uid, identifier=segment.tracking_id)


def _referenced_segment(region: Region) -> ReferencedSegment:
    segmentation = region.segmentation
    series = SourceSeriesForSegmentation(segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID)
    series.ConceptNameCodeSequence[0].CodeMeaning = codes.DCM.SourceSeriesForSegmentation.meaning  # highdicom: capitals
    return ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=region.number,
        source_series=series,
    )


def _measurements(segment: Segment) -> list[Measurement]:
    """TID 1419: volume, longest diameter in 3-D, and certainty, each to five significant digits.

    The diameter is "Diameter" with derivation "Maximum" (CID 7470, CID 7464): "Long Axis" is read as the longest
    line within one plane, and IBSI's "Maximum 3D Diameter of a Mesh" is measured on a surface, not on voxels.
    """
    measurements = [Measurement(_VOLUME, reported(segment.volume_ml), _MILLILITRE)]
    if segment.longest_diameter is not None:
        length = reported(segment.longest_diameter.length_mm)
        measurements.append(Measurement(_DIAMETER, length, _MILLIMETRE, derivation=_MAXIMUM))
    if segment.confidence is not None:
        percent = reported(100 * segment.confidence)
        measurements.append(Measurement(CERTAINTY, percent, PERCENT, derivation=_MEAN))
    return [*measurements, *_differences(segment)]


def _draw_diameter(group: Dataset, segment: Segment, frame_of_reference_uid: str | None) -> None:
    """Put the line of the longest diameter below its number, where both ends are known and differ.

    After the group is made, as highdicom takes no coordinates in the measurements of a region.
    """
    diameter = segment.longest_diameter
    if diameter is None or not frame_of_reference_uid or not _is_line(diameter):
        return
    line = CoordinatesForMeasurement3D(
        graphic_type=GraphicTypeValues3D.POLYLINE,
        graphic_data=np.array([diameter.start_mm, diameter.end_mm]),
        frame_of_reference_uid=frame_of_reference_uid,
        purpose=codes.DCM.Path,
    )
    for item in group.ContentSequence:
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0] == _DIAMETER:
            item.ContentSequence = ContentSequence([*item.ContentSequence, line])


def _is_line(diameter: Diameter) -> bool:
    return all(map(isfinite, (*diameter.start_mm, *diameter.end_mm))) and diameter.start_mm != diameter.end_mm


def _differences(segment: Segment) -> list[Measurement]:
    """TID 1419: change of the volume since the prior, inferred from the volume then.

    "Difference in size" is of CID 6133; what it is a difference of shows in what it is inferred from. The volume then
    lies below it, so that whoever lists the volumes of a group gets that of now alone.
    """
    change = change_ml(segment)
    if change is None or segment.prior_volume_ml is None:
        return []
    difference = Measurement(DIFFERENCE, change, _MILLILITRE)
    inferred = RelationshipTypeValues.INFERRED_FROM
    then = NumContentItem(_VOLUME, reported(segment.prior_volume_ml), _MILLILITRE, relationship_type=inferred)
    difference[0].ContentSequence = ContentSequence([then])
    return [difference]
