"""Our own segmentation back to voxels: how many each segment has, and the label map on the grid of its source."""

import sqlite3
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_dicom_sr.unreadable import UNREADABLE
from ainode_models.errors import InputError
from ainode_models.uids import derived_uid


@dataclass(frozen=True)
class ReadVoxels:
    """Segments by their ``TrackingUID``, and where they are."""

    counts: Mapping[str, int]
    colors: Mapping[str, tuple[int, int, int]]
    """sRGB; CIELab holds each channel to about one step."""
    labels: Mapping[str, str]
    _numbers: Mapping[str, int]
    _segments: NDArray[np.uint8] | None

    def label_map(self, numbers: Mapping[str, int]) -> NDArray[np.uint8] | None:
        """``(slices, rows, columns)``, each segment with the number that ``numbers`` gives its ``TrackingUID``.

        None where the frames lie on frames of multi-frame images: how many of those there are is nowhere said.
        """
        if self._segments is None:
            return None
        table = np.zeros(256, dtype=np.uint8)
        for uid, number in self._numbers.items():
            table[number] = numbers.get(uid, 0)
        return table[self._segments]


def read_voxels(seg: Dataset, run_id: str) -> ReadVoxels:
    """The voxels of the segmentation of a run; raises InputError for another object, and for a damaged one."""
    try:
        if seg.SOPInstanceUID not in {derived_uid(run_id, form.kind, "SOPInstanceUID") for form in SegmentationForm}:
            raise InputError(f"the segmentation is not that of run {run_id}: give the one that its report refers to")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(Segmentation.from_dataset(seg))
    except (*UNREADABLE, RuntimeError, sqlite3.Error) as exc:  # highdicom keeps its frames in SQLite
        raise InputError(f"the segmentation of run {run_id} cannot be read: it was changed or damaged since") from exc


def _read(seg: Segmentation) -> ReadVoxels:
    found = [item for item in seg.SegmentSequence if item.SegmentNumber]  # 0 is the background of a label map
    numbers = {str(item.TrackingUID): int(item.SegmentNumber) for item in found}
    counts = _counts(seg)
    return ReadVoxels(
        counts={uid: int(counts[number]) for uid, number in numbers.items()},
        colors={str(item.TrackingUID): _color(item) for item in found},
        labels={str(item.TrackingUID): str(item.SegmentLabel) for item in found},
        _numbers=numbers,
        _segments=_on_sources(seg),
    )


def _counts(seg: Segmentation) -> NDArray[np.int64]:
    """Voxels by segment number."""
    counts = np.zeros(256, dtype=np.int64)
    frames = seg.pixel_array if seg.NumberOfFrames > 1 else seg.pixel_array[np.newaxis]
    shared = seg.SharedFunctionalGroupsSequence[0]
    for groups, pixels in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        if seg.SegmentationType == SegmentationForm.LABELMAP.name:
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
