"""What dcmqi, highdicom and cornerstone each read of a segmentation, in one form, to be compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from peers import dicom_sources
from peers.cornerstone import SeenSegment, seen_by_cornerstone
from peers.dicom_checkers import segment_images


@dataclass(frozen=True)
class Reading:
    """A segmentation as one program reads it."""

    voxels: NDArray[np.uint8]
    """Segment numbers on the grid of the sources, ``(slices, rows, columns)``."""
    segments: Mapping[int, SeenSegment]
    """By their number, without the background of a label map."""


def on_grid(
    array: NDArray[Any], affine: NDArray[np.float64], sources: Sequence[Dataset], shape: tuple[int, ...]
) -> NDArray[Any]:
    """``array`` at its place in LPS on the grid of ``sources``, where its voxels must be voxels too."""
    inverse = np.linalg.inv(dicom_sources.affine(sources)) @ affine
    voxels = np.argwhere(array)
    exact = voxels @ inverse[:3, :3].T + inverse[:3, 3]
    assert np.abs(exact - exact.round()).max() < 1e-3
    result = np.zeros(shape, dtype=array.dtype)
    result[tuple(exact.round().astype(np.int64).T)] = array[tuple(voxels.T)]
    return result


def read_by_dcmqi(path: Path, sources: Sequence[Dataset], folder: Path) -> Reading:
    """By segimage2itkimage: an image for each segment, or one for all segments of a label map, and JSON."""
    shape = (len(sources), int(sources[0].Rows), int(sources[0].Columns))
    images = segment_images(path, folder)
    groups = json.loads((folder / "s-meta.json").read_text())["segmentAttributes"]
    assert sorted(images) == list(range(1, len(groups) + 1))
    voxels = np.zeros(shape, dtype=np.uint8)
    for number, group in enumerate(groups, start=1):
        placed = on_grid(images[number].array, images[number].affine, sources, shape).astype(np.uint8)
        assert set(np.unique(placed)) <= {0, *(item["labelID"] for item in group)}
        assert not np.any(voxels[placed > 0])
        voxels += placed
    return Reading(voxels, {item["labelID"]: _as_dcmqi_says(item) for group in groups for item in group})


def read_by_highdicom(path: Path, sources: Sequence[Dataset]) -> Reading:
    """By its volume, which knows no source images."""
    shape = (len(sources), int(sources[0].Rows), int(sources[0].Columns))
    seg = highdicom.seg.segread(path)
    volume = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    voxels = on_grid(volume.array, volume.affine, sources, shape).astype(np.uint8)
    return Reading(voxels, {number: _as_highdicom_says(seg, number) for number in seg.segment_numbers if number})


def read_by_cornerstone(path: Path, sources: Sequence[Dataset], folder: Path) -> Reading:
    """By the code of OHIF, on the source images."""
    seen = seen_by_cornerstone(path, sources, folder)
    assert seen.layers == 1
    return Reading(seen.voxels, {number: item for number, item in seen.segments.items() if number})


def _as_dcmqi_says(item: Mapping[str, Any]) -> SeenSegment:
    kinds = [item[f"SegmentedProperty{name}CodeSequence"] for name in ("Category", "Type")]
    category, kind = ((code["CodeValue"], code["CodingSchemeDesignator"]) for code in kinds)
    return SeenSegment(item["SegmentLabel"], category, kind, tuple(item["recommendedDisplayRGBValue"]))


def _as_highdicom_says(seg: highdicom.seg.Segmentation, number: int) -> SeenSegment:
    item = seg.get_segment_description(number)
    category, kind = item.segmented_property_category, item.segmented_property_type
    return SeenSegment(
        item.segment_label,
        (category.value, category.scheme_designator),
        (kind.value, kind.scheme_designator),
        CIELabColor.from_dicom_value(item.RecommendedDisplayCIELabValue).to_rgb(clip=True),
    )
