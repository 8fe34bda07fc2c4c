"""Our own segmentation back to voxels: how many each segment has, and the label map on the grid of its source."""

import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_dicom_sr.unreadable import UNREADABLE
from ainode_models.errors import InputError

_MOST = 255
"""Segments of a label map of 8 bits."""


@dataclass(frozen=True)
class ReadVoxels:
    """Segments by their ``TrackingUID``, and where they are."""

    counts: Mapping[str, int]
    colors: Mapping[str, tuple[int, int, int]]
    """sRGB; CIELab holds each channel to about one step."""
    labels: Mapping[str, str]
    numbers: Mapping[str, int]
    """Of the segments in ``planes``."""
    planes: NDArray[np.uint8] | None
    """``(slices, rows, columns)``, of the source images."""

    def label_map(self, numbers: Mapping[str, int]) -> NDArray[np.uint8] | None:
        """``(slices, rows, columns)``, each segment with the number that ``numbers`` gives its ``TrackingUID``.

        None where the frames lie on frames of multi-frame images: how many of those there are is nowhere said.
        """
        if self.planes is None:
            return None
        table = np.zeros(256, dtype=np.uint8)
        for uid, number in self.numbers.items():
            table[number] = numbers.get(uid, 0)
        return table[self.planes]


def read_voxels(segmentations: Sequence[Dataset], run_id: str) -> ReadVoxels:
    """The voxels of the segmentation of a run, of one object or of several that each hold some of the segments.

    Raises InputError for another object, and for a damaged one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reduce(_joined, (_read(_own(each, run_id)) for each in segmentations))
    except (*UNREADABLE, RuntimeError, sqlite3.Error) as exc:  # highdicom keeps its frames in SQLite
        raise InputError(f"the segmentation of run {run_id} cannot be read: it was changed or damaged since") from exc


def _own(seg: Dataset, run_id: str) -> Segmentation:
    number = int(seg.get("InstanceNumber") or 1)
    if seg.SOPInstanceUID not in {form.object_uid(run_id, number) for form in SegmentationForm}:
        raise InputError(f"the segmentation is not that of run {run_id}: give the one that its report refers to")
    return Segmentation.from_dataset(seg)


def _read(seg: Segmentation) -> ReadVoxels:
    found = [item for item in seg.SegmentSequence if item.SegmentNumber]  # 0 is the background of a label map
    numbers = {str(item.TrackingUID): int(item.SegmentNumber) for item in found}
    counts = _counts(seg)
    return ReadVoxels(
        counts={uid: int(counts[number]) for uid, number in numbers.items()},
        colors={str(item.TrackingUID): _color(item) for item in found},
        labels={str(item.TrackingUID): str(item.SegmentLabel) for item in found},
        numbers=numbers,
        planes=_on_sources(seg),
    )


def _joined(one: ReadVoxels, other: ReadVoxels) -> ReadVoxels:
    """Both; the segments of ``other`` are numbered on."""
    last = max(one.numbers.values(), default=0)
    numbers = {**one.numbers, **{uid: number + last for uid, number in other.numbers.items()}}
    if max(numbers.values(), default=0) > _MOST:
        raise ValueError("more segments than a label map holds")
    planes = None
    if one.planes is not None and other.planes is not None:
        planes = np.where(other.planes > 0, other.planes + np.uint8(last), one.planes)
    return ReadVoxels(
        counts={**one.counts, **other.counts},
        colors={**one.colors, **other.colors},
        labels={**one.labels, **other.labels},
        numbers=numbers,
        planes=planes,
    )


def _counts(seg: Segmentation) -> NDArray[np.int64]:
    """Voxels by segment number."""
    counts = np.zeros(256, dtype=np.int64)
    frames = seg.pixel_array if seg.NumberOfFrames > 1 else seg.pixel_array[np.newaxis]
    shared = seg.SharedFunctionalGroupsSequence[0]
    for groups, pixels in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        if seg.SegmentationType == SegmentationForm.LABELMAP.type:
            counts += np.bincount(pixels.ravel(), minlength=256)
        else:
            (segment,) = (groups if "SegmentIdentificationSequence" in groups else shared).SegmentIdentificationSequence
            counts[int(segment.ReferencedSegmentNumber)] += np.count_nonzero(pixels)
    return counts


def _color(item: Dataset) -> tuple[int, int, int]:
    return CIELabColor.from_dicom_value(item.RecommendedDisplayCIELabValue).to_rgb(clip=True)


def _on_sources(seg: Segmentation) -> NDArray[np.uint8] | None:
    """Segment numbers, a plane for each source image, in the order in which the series lists them."""
    if any(
        "ReferencedFrameNumber" in source or source.get("SpatialLocationsPreserved") == "NO" for source in _sources(seg)
    ):
        return None
    images = [str(item.ReferencedSOPInstanceUID) for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    planes: NDArray[np.uint8] = seg.get_pixels_by_source_instance(
        images, combine_segments=True, assert_missing_frames_are_empty=True, dtype=np.uint8
    )
    return planes


def _sources(seg: Segmentation) -> list[Dataset]:
    return [
        source
        for groups in seg.PerFrameFunctionalGroupsSequence
        for derivation in groups.DerivationImageSequence
        for source in derivation.SourceImageSequence
    ]
