"""Enhanced multi-frame images, converted from classic series by highdicom."""

from collections.abc import Sequence
from pathlib import Path

from highdicom.legacy import (
    LegacyConvertedEnhancedCTImage,
    LegacyConvertedEnhancedMRImage,
    LegacyConvertedEnhancedPETImage,
)
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from ainode_models.uids import derived_uid

CONVERTERS = {
    "MR": (MRImageStorage, LegacyConvertedEnhancedMRImage),
    "CT": (CTImageStorage, LegacyConvertedEnhancedCTImage),
    "PT": (PositronEmissionTomographyImageStorage, LegacyConvertedEnhancedPETImage),
}


def as_enhanced(
    images: Sequence[Dataset], path: Path, modality: str = "MR", *, order: Sequence[int] | None = None
) -> Path:
    """One Legacy Converted Enhanced image (PS3.3 A.70 to A.72) of ``images``.

    highdicom sorts the frames; ``order`` gives, for each frame, the index of its image.
    """
    sop_class, converter = CONVERTERS[modality]
    for image in images:
        image.Modality, image.SOPClassUID = modality, sop_class
    enhanced = converter(
        legacy_datasets=list(images),
        series_instance_uid=derived_uid("enhanced series", images[0].SeriesInstanceUID),
        series_number=int(images[0].SeriesNumber),
        sop_instance_uid=derived_uid("enhanced image", images[0].SOPInstanceUID),
        instance_number=1,
    )
    if images[0].get("SeriesDescription"):
        enhanced.SeriesDescription = images[0].SeriesDescription
    if order is not None:
        _reorder(enhanced, images, order)
    enhanced.save_as(path, enforce_file_format=True)
    return path


def _reorder(enhanced: Dataset, images: Sequence[Dataset], order: Sequence[int]) -> None:
    groups, size = list(enhanced.PerFrameFunctionalGroupsSequence), len(enhanced.PixelData) // len(images)
    written = [list(group.PlanePositionSequence[0].ImagePositionPatient) for group in groups]
    now = [written.index(list(images[index].ImagePositionPatient)) for index in order]
    enhanced.PerFrameFunctionalGroupsSequence = [groups[index] for index in now]
    enhanced.PixelData = b"".join(enhanced.PixelData[index * size :][:size] for index in now)


def read_all(paths: Sequence[Path]) -> list[Dataset]:
    """Whole data sets, in the order of ``paths``."""
    return [dcmread(path) for path in paths]
