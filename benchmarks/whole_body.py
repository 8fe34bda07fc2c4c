"""A CT of 600 slices with 104 segments, about as large and as scattered as those of a whole-body model."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode_models.findings import Algorithm, Code, Findings, Outcome, Segment
from ainode_models.uids import derived_uid
from ct_slices import write_slices

SEGMENTS = 104
ROWS = 512
_ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
_ORGAN = Code("113343008", "SCT", "Organ")
_BODY = Code("38266002", "SCT", "Entire body")


def write_study(folder: Path, slices: int) -> None:
    """Slices, label map for us (``.npy``) and for dcmqi (``.nrrd`` with its JSON), unless they are there."""
    write_slices(folder / "ct", slices, folders=1)
    labels_file = folder / f"labels-{slices}.npy"
    if labels_file.is_file():
        return
    labels = _ellipsoids(slices)
    image: Any = SimpleITK.GetImageFromArray(labels)
    image.SetOrigin((-250.0, -250.0, 0.0))
    SimpleITK.WriteImage(image, str(folder / f"labels-{slices}.nrrd"))
    (folder / "segments.json").write_text(json.dumps(_for_dcmqi()))
    np.save(labels_file, labels)


def headers(folder: Path) -> list[Dataset]:
    """Of the slices, in order, with what plain highdicom demands of them."""
    found: list[Dataset] = [dcmread(path, stop_before_pixels=True) for path in sorted((folder / "ct" / "0").iterdir())]
    for header in found:
        header.PatientBirthDate = header.PatientSex = ""
    return found


def findings(labels: NDArray[np.uint8]) -> Findings:
    """All segments, with their voxels."""
    algorithm = Algorithm(
        name="whole-body",
        version="1",
        manufacturer="ainode project",
        family=Code("123110", "DCM", "Artificial Intelligence"),
        device_uid=derived_uid("whole body"),
        weights_sha256="0" * 64,
        intended_use="To be measured.",
        disclaimer="Not for diagnostic use.",
    )
    counts = np.zeros(256, dtype=np.int64)
    for plane in labels:
        counts += np.bincount(plane.ravel(), minlength=256)
    segments = tuple(replace(_segment(number), voxels=int(counts[number])) for number in range(1, SEGMENTS + 1))
    return Findings("bench", Outcome.FINDINGS, algorithm, datetime(2026, 1, 1, tzinfo=UTC), segments, labels, None)


def network_logits(size: tuple[int, int, int]) -> NDArray[np.float32]:
    """``(heads, *size)``: what a network of background and all segments might answer to the same body on its grid."""
    logits = np.full((1 + SEGMENTS, *size), -10, dtype=np.float32)
    logits[0] = 0
    for number, (box, distance) in enumerate(_parts(size, reach=1.3), start=1):
        logits[number][box] = np.maximum(10 * (1 - distance), -10)
    return logits


def _ellipsoids(slices: int) -> NDArray[np.uint8]:
    """Where they overlap, the later one; 0 outside."""
    labels = np.zeros((slices, ROWS, ROWS), dtype=np.uint8)
    for number, (box, distance) in enumerate(_parts(labels.shape, reach=1), start=1):
        labels[box][distance < 1] = number
    return labels


def _parts(shape: tuple[int, ...], *, reach: float) -> Iterator[tuple[tuple[slice, ...], NDArray[np.float64]]]:
    """Of each segment the box that holds its ellipsoid, ``reach`` times as large, and the distance from its centre
    there, squared: 1 on its surface."""
    random = np.random.default_rng(104)
    for _ in range(SEGMENTS):
        radii = random.uniform((0.03, 0.03, 0.03), (0.14, 0.09, 0.09)) * shape
        centre = random.uniform((0.1, 0.3, 0.25), (0.9, 0.7, 0.75)) * shape
        low = np.maximum(centre - reach * radii, 0).astype(int)
        high = np.minimum(centre + reach * radii + 1, shape).astype(int)
        box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
        axes = np.ogrid[box]
        yield box, np.asarray(sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)))


def _segment(number: int) -> Segment:
    shade = (37 * number) % 256
    return Segment(
        number=number,
        label=f"Organ {number}",
        category=_ANATOMY,
        type=_ORGAN,
        anatomy=_BODY,
        color=(shade, 255 - shade, (91 * number) % 256),
        tracking_id=f"Organ {number}",
        tracking_uid=derived_uid("organ", str(number)),
        voxels=0,
        volume_ml=0.0,
        longest_diameter=None,
        confidence=None,
    )


def _for_dcmqi() -> dict[str, object]:
    def code(value: Code) -> dict[str, str]:
        return {"CodeValue": value.value, "CodingSchemeDesignator": value.scheme, "CodeMeaning": value.meaning}

    segments = [_segment(number) for number in range(1, SEGMENTS + 1)]
    return {
        "ContentCreatorName": "Bench",
        "SeriesDescription": "Whole body",
        "SeriesNumber": "1001",
        "InstanceNumber": "1",
        "segmentAttributes": [
            [
                {
                    "labelID": item.number,
                    "SegmentLabel": item.label,
                    "SegmentDescription": item.label,
                    "SegmentAlgorithmType": "AUTOMATIC",
                    "SegmentAlgorithmName": "whole-body",
                    "SegmentedPropertyCategoryCodeSequence": code(item.category),
                    "SegmentedPropertyTypeCodeSequence": code(item.type),
                    "recommendedDisplayRGBValue": list(item.color),
                }
                for item in segments
            ]
        ],
    }
