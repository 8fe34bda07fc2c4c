"""cornerstone's adapters, with which OHIF reads segmentations, in node: from npm once, into ``build/``."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from peers.npm_packages import npm_packages
from peers.shared_data import ROOT

_VERSION = "5.14.0"
PACKAGES = ROOT / "build" / f"cornerstone-{_VERSION}"
_NAMES = (
    *(f"@cornerstonejs/{name}@{_VERSION}" for name in ("adapters", "core", "tools", "metadata")),
    "dcmjs@0.52.0",
    "@babel/runtime@8.1.2",
)
_TEXTS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality")
_NUMBERS = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")


@dataclass(frozen=True)
class SeenSegment:
    """A segment as a viewer lists it."""

    label: str
    category: tuple[str, str]
    """Code value and coding scheme."""
    type: tuple[str, str]
    color: tuple[int, ...]
    """sRGB."""


@dataclass(frozen=True)
class Seen:
    """What OHIF would show of a segmentation."""

    voxels: NDArray[np.uint8]
    """Segment numbers on the grid of the sources, ``(slices, rows, columns)``."""
    segments: dict[int, SeenSegment]
    """By their number, with the background of a label map."""
    layers: int
    """More than one where segments overlap."""
    seconds: float
    """For parsing and placing all frames."""


def seen_by_cornerstone(path: Path, sources: Sequence[Dataset], folder: Path) -> Seen:
    """Read the segmentation at ``path`` on ``sources``, headers of images or, with ReferencedFrameNumber, of frames.

    Skips where npm cannot get the packages.
    """
    packages = cornerstone_packages()
    folder.mkdir(exist_ok=True)
    known, voxels = folder / "sources.json", folder / "voxels"
    known.write_text(json.dumps([_known(source) for source in sources]))
    script = Path(__file__).with_suffix(".mjs")
    command = ["node", str(script), str(packages), str(known), str(voxels), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout[done.stdout.index('{"layers"') :])
    shape = (len(sources), int(sources[0].Rows), int(sources[0].Columns))
    return Seen(
        voxels=np.frombuffer(voxels.read_bytes(), dtype=np.uint8).reshape(shape),
        segments={
            item["number"]: SeenSegment(
                item["label"],
                tuple(item["category"]),
                tuple(item["type"]),
                CIELabColor.from_dicom_value(item["color"]).to_rgb(clip=True),
            )
            for item in said["segments"]
        },
        layers=said["layers"],
        seconds=said["seconds"],
    )


def cornerstone_packages() -> Path:
    """Folder with the npm packages; skips where npm cannot get them."""
    return npm_packages(PACKAGES, _NAMES, seconds=180)


def _known(source: Dataset) -> dict[str, object]:
    return {
        **{keyword: str(source[keyword].value) for keyword in _TEXTS},
        **{keyword: [float(value) for value in source[keyword].value] for keyword in _NUMBERS},
        "Rows": int(source.Rows),
        "Columns": int(source.Columns),
        "Frame": int(source.get("ReferencedFrameNumber") or 0),
    }
