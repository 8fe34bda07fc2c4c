"""A segmentation as an object for each segment: for viewers that show the first one alone, or choke on many."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ainode_dicom_sr.frame_groups import frames_of_each_segment
from ainode_dicom_sr.on_slices import replace_random_uids
from ainode_dicom_sr.segment_frames import packed_frames
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_models.findings import Findings, Segment


def split_by_segment(
    one_each: Dataset,
    findings: Findings,
    labels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    *,
    slices: Sequence[int],
) -> list[Dataset]:
    """An object for each present segment, in their order, with that as its segment 1, all in one series.

    Frame ``k`` of ``one_each``, which describes all segments and is used up, is that of slice ``slices[k]`` of
    ``labels``, ``(slices, rows, columns)``; ``rows``, ``(frames, segments, 2)``, says on which rows a segment is, 0 and
    0 where it is not. Each object goes through its own slices alone, so all need little more time and memory than one
    with all segments.
    """
    occupied = rows[..., 1] > 0
    described = list(one_each.SegmentSequence)
    del one_each.SegmentSequence  # else each object would read the descriptions of all
    parts = zip(frames_of_each_segment(one_each, occupied), findings.present, described, strict=True)
    results = []
    for number, (part, segment, description) in enumerate(parts, start=1):
        _name(part, findings, segment, number=number)
        description.SegmentNumber = 1
        part.SegmentSequence = [description]
        frames = np.flatnonzero(occupied[:, number - 1])
        own = np.take(slices, frames).tolist()
        part.PixelData = packed_frames(labels, own, [segment.number] * len(own), rows[frames, number - 1])
        results.append(part)
    return results


def _name(part: Dataset, findings: Findings, segment: Segment, *, number: int) -> None:
    """What tells it from the others; viewers list Content Label (CS, 16 characters) and Description (LO, 64)."""
    part.SOPInstanceUID = SegmentationForm.SPLIT.object_uid(findings.run_id, number)
    part.file_meta.MediaStorageSOPInstanceUID = part.SOPInstanceUID
    part.InstanceNumber = number
    part.ContentLabel = f"AI_SEGMENT_{number}"
    part.ContentDescription = f"{segment.label}: {part.ContentDescription}"[:64]
    replace_random_uids(part, findings, SegmentationForm.SPLIT.kind, str(number))
