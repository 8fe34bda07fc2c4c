"""Frames of an enhanced multi-frame image, as headers of images with one frame each."""

from collections.abc import Iterable, Mapping, Sequence

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)

from ainode.volume.elements import UNREADABLE, image_name
from ainode_models.errors import GeometryError, InstanceError

_CLASSES = (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)

_GROUPS = frozenset(
    {
        "ArterialSpinLabelingSequence",
        "CTImageFrameTypeSequence",
        "CTReconstructionSequence",
        "CardiacSynchronizationSequence",
        "DiffusionGradientDirectionSequence",
        "FrameContentSequence",
        "FrameVOILUTSequence",
        "MRArterialSpinLabelingSequence",
        "MRDiffusionSequence",
        "MREchoSequence",
        "MRImageFrameTypeSequence",
        "MRModifierSequence",
        "MRTimingAndRelatedParametersSequence",
        "MRVelocityEncodingSequence",
        "PETFrameTypeSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
        "PlaneOrientationSequence",
        "PlanePositionSequence",
        "TemporalPositionSequence",
    }
)
"""Functional groups (PS3.3 C.7.6.16.2) that place a frame, give or show its values, or tell it from others there."""

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


def is_multiframe(header: Dataset) -> bool:
    """Whether the image has several frames, or its attributes in functional groups, which one frame may have too."""
    return int(header.get("NumberOfFrames") or 1) > 1 or _PER_FRAME in header


def frame_headers(header: Dataset) -> list[Dataset]:
    """One header for each frame, in the order of the frames, with the elements that a single-frame image would have.

    ``ReferencedFrameNumber`` says which frame it is, from 1; ``ImageType`` is its Frame Type. All else is as in the
    image. Raises GeometryError for multi-frame images that are not enhanced CT, MR or PET, and InstanceError when
    functional groups are damaged.
    """
    frames = int(header.get("NumberOfFrames") or 1)
    if UID(header.get("SOPClassUID") or "") not in _CLASSES or _PER_FRAME not in header:
        raise GeometryError(
            f"{image_name(header)} is multi-frame ({frames} frames) without the functional groups of an Enhanced CT, "
            "MR or PET image, so nothing says where each frame lies: let the scanner or PACS export classic images"
        )
    try:
        shared = list(_elements(header.get(_SHARED) or ()))
        groups = [list(_elements([item])) for item in header[_PER_FRAME].value]
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has damaged functional groups: send it again") from exc
    if len(groups) != frames:
        raise InstanceError(
            f"{image_name(header)} says it has {frames} frames, but describes {len(groups)}: send it again"
        )
    return [_frame(header, number, [*shared, *own]) for number, own in enumerate(groups, start=1)]


def changed_header(header: Dataset, values: Mapping[str, object]) -> Dataset:
    """Shallow copy of a header, with its file, in which elements have other values; None leaves one out."""
    # Elements stay as they were read: Dataset.update() reads private ones, and fails on those that are damaged
    copy = Dataset(dict(header.items()))
    implicit, little = header.original_encoding
    copy.set_original_encoding(implicit, little, header.original_character_set)
    for name in ("file_meta", "filename"):
        if hasattr(header, name):
            setattr(copy, name, getattr(header, name))
    for keyword, value in values.items():
        copy.pop(keyword, None)  # the element is that of the other header: a new value would be its value, too
        if value is not None:
            setattr(copy, keyword, value)
    return copy


def _elements(items: Sequence[Dataset]) -> Iterable[DataElement]:
    """Elements of the groups in ``items`` that matter, those of nested groups behind those of their parent."""
    for item in items:
        for group in item:
            if group.keyword in _GROUPS and group.value:
                yield from (element for element in group.value[0] if element.VR != "SQ")
                yield from _elements(group.value[:1])


def _frame(header: Dataset, number: int, elements: Sequence[DataElement]) -> Dataset:
    frame = changed_header(header, {_SHARED: None, _PER_FRAME: None, "ReferencedFrameNumber": number})
    for element in elements:
        frame.add(element)
    return changed_header(frame, {"ImageType": frame.FrameType}) if frame.get("FrameType") else frame
