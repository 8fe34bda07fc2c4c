"""The segments of a segmentation (PS3.3 C.8.20.2), whoever made it; not its voxels."""

from pydicom.dataset import Dataset

from ainode_dicom_sr.reader_model import ReadAlgorithm, ReadImage, ReadSegment, ReadSegmentation
from ainode_dicom_sr.reader_values import code, items, text, whole


def read_segmentation(ds: Dataset, base: ReadImage) -> ReadSegmentation:
    """The segmentation in ``ds``, whose header is in ``base``."""
    return ReadSegmentation(
        **vars(base),
        segmentation_type=text(ds, "SegmentationType"),
        segments=tuple(map(_segment, items(ds, "SegmentSequence"))),
    )


def _segment(item: Dataset) -> ReadSegment:
    return ReadSegment(
        number=whole(item, "SegmentNumber"),
        label=text(item, "SegmentLabel"),
        category=code(item, "SegmentedPropertyCategoryCodeSequence"),
        type=code(item, "SegmentedPropertyTypeCodeSequence"),
        anatomy=code(item, "AnatomicRegionSequence"),
        algorithm_type=text(item, "SegmentAlgorithmType"),
        algorithm=_algorithm(item),
        tracking_id=text(item, "TrackingID"),
        tracking_uid=text(item, "TrackingUID"),
    )


def _algorithm(item: Dataset) -> ReadAlgorithm | None:
    """By ``SegmentationAlgorithmIdentificationSequence`` (0062,0007), else by its name alone."""
    for each in items(item, "SegmentationAlgorithmIdentificationSequence")[:1]:
        return ReadAlgorithm(
            name=text(each, "AlgorithmName"),
            version=text(each, "AlgorithmVersion"),
            manufacturer=text(each, "AlgorithmSource"),
            family=code(each, "AlgorithmFamilyCodeSequence"),
        )
    name = text(item, "SegmentAlgorithmName")
    return None if name is None else ReadAlgorithm(name=name)
