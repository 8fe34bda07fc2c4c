"""Segments as measurement groups of a report: present ones by TID 1411, absent ones by TID 1501."""

from collections.abc import Sequence
from typing import cast

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ContentItem,
    FindingSite,
    ImageContentItem,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    UIDRefContentItem,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset

from ainode_dicom_sr.coding import concept
from ainode_models.errors import EncodingError
from ainode_models.findings import Algorithm, Findings, Segment
from ainode_models.uids import derived_uid

_ABSENT = CodedConcept("373572006", "SCT", "Clinical finding absent")
_CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")
_DIAMETER = CodedConcept("81827009", "SCT", "Diameter")
_MAXIMUM = CodedConcept("56851009", "SCT", "Maximum")
_MEAN = CodedConcept("373098007", "SCT", "Mean")
_MILLILITRE = CodedConcept("mL", "UCUM", "milliliter")
_MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
_PERCENT = CodedConcept("%", "UCUM", "percent")
_SERIES = CodedConcept("112002", "DCM", "Series Instance UID")
_SOURCE_IMAGE = CodedConcept("121324", "DCM", "Source image")
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


def present_group(findings: Findings, segment: Segment, segmentation: Dataset) -> ContentItem:
    """TID 1411 group of a present segment: what, where, how large, and its segment in ``segmentation``."""
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(segment),
        referenced_segment=_referenced_segment(segment, segmentation),
        finding_category=concept(segment.category),
        finding_type=concept(segment.type),
        finding_sites=[FindingSite(concept(segment.anatomy))],
        algorithm_id=algorithm_identification(findings.algorithm),
        measurements=_measurements(segment),
    )
    return _identified(group[0], findings, segment)


def absent_group(findings: Findings, segment: Segment, sources: Sequence[Dataset]) -> ContentItem:
    """TID 1501 group of a segment that was looked for and not found (IHE AIR A.3.2).

    There is no (121071, DCM, "Finding"), which a hasty reader would take for one. The middle slice stands for
    the series, which is named as a whole beside it.
    """
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(segment),
        finding_sites=[FindingSite(concept(segment.anatomy))],
        algorithm_id=algorithm_identification(findings.algorithm),
        qualitative_evaluations=[QualitativeEvaluation(_ABSENT, concept(segment.type))],
    )
    middle, contains = sources[len(sources) // 2], RelationshipTypeValues.CONTAINS
    group[0].ContentSequence.extend(
        [
            UIDRefContentItem(_SERIES, middle.SeriesInstanceUID, contains),
            ImageContentItem(_SOURCE_IMAGE, middle.SOPClassUID, middle.SOPInstanceUID, relationship_type=contains),
        ]
    )
    return _identified(group[0], findings, segment)


def _identified(group: Dataset, findings: Findings, segment: Segment) -> ContentItem:
    """``ObservationUID`` (0040,A171): IHE AIR's result tree and FHIR refer to the group by it."""
    group.ContinuityOfContent = "SEPARATE"
    group.ObservationUID = derived_uid(findings.run_id, "SR", "ObservationUID", str(segment.number))
    return cast(ContentItem, group)  # highdicom types items of its templates as plain data sets


def _tracking(segment: Segment) -> TrackingIdentifier:
    return TrackingIdentifier(uid=segment.tracking_uid, identifier=segment.tracking_id)


def _referenced_segment(segment: Segment, segmentation: Dataset) -> ReferencedSegment:
    numbers = {item.TrackingUID: item.SegmentNumber for item in segmentation.SegmentSequence}
    if segment.tracking_uid not in numbers:
        raise EncodingError(f"the segmentation has no segment with the TrackingUID of label {segment.number}")
    series = segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID
    return ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=int(numbers[segment.tracking_uid]),
        source_series=SourceSeriesForSegmentation(series),
    )


def _measurements(segment: Segment) -> list[Measurement]:
    """TID 1419: volume, longest diameter in 3-D, and certainty, each to five significant digits.

    The diameter is "Diameter" with derivation "Maximum" (CID 7470, CID 7464): "Long Axis" is read as the longest
    line within one plane, and IBSI's "Maximum 3D Diameter of a Mesh" is measured on a surface, not on voxels.
    """
    measurements = [Measurement(_VOLUME, _rounded(segment.volume_ml), _MILLILITRE)]
    if segment.longest_diameter is not None:
        length = _rounded(segment.longest_diameter.length_mm)
        measurements.append(Measurement(_DIAMETER, length, _MILLIMETRE, derivation=_MAXIMUM))
    if segment.confidence is not None:
        percent = _rounded(100 * segment.confidence)
        measurements.append(Measurement(_CERTAINTY, percent, _PERCENT, derivation=_MEAN))
    return measurements


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
