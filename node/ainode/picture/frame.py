"""The header that holds for one frame."""

from collections.abc import Iterable

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ainode.volume.elements import UNREADABLE, image_name
from ainode.volume.frame_headers import changed_header
from ainode_models.errors import InputError, InstanceError

_GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
"""Functional groups (PS3.3 C.7.6.16.2.9 to 10) that say how grey values are shown."""


def frame_header(image: Dataset, frame: int) -> Dataset:
    """The image's header with the rescale and windows of its functional groups for one frame, which counts from 1.

    Raises InputError when the image has no such frame, InstanceError when its functional groups are damaged.
    """
    frames = int(image.get("NumberOfFrames") or 1)
    if not 1 <= frame <= frames:
        raise InputError(f"{image_name(image)} has no frame {frame}: it has {frames}")
    header = changed_header(image, {})
    try:
        for element in _elements(image, frame):
            header.add(element)
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(image)} has damaged functional groups: send it again") from exc
    return header


def _elements(image: Dataset, frame: int) -> Iterable[DataElement]:
    groups = [*(image.get("SharedFunctionalGroupsSequence") or ())]
    if each := image.get("PerFrameFunctionalGroupsSequence"):
        groups.append(each[frame - 1])
    for item in groups:
        for keyword in _GROUPS:
            for group in item.get(keyword) or ():
                yield from group
