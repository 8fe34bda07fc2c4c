"""dcmqi of Brigham and Women's Hospital, which 3D Slicer reads with: voxels and values come back as they were."""

import json
import shutil
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_conformance.checkers.checker import Problem, error, said
from ainode_conformance.checkers.dcmqi_maps import image_of, map_differences
from ainode_conformance.kinds.kind import Made
from ainode_models.findings import Findings

_BIN = Path(sysconfig.get_path("scripts"))


class Dcmqi:
    """Each segment and each probability voxel for voxel at its place in LPS; each measurement with its unit."""

    name = "dcmqi"

    def missing(self) -> str | None:
        """The programs of the Python package, and SimpleITK, which reads what they write."""
        from importlib.util import find_spec

        if find_spec("SimpleITK") is None:
            return "install the Python package SimpleITK"
        return None if shutil.which(_BIN / "segimage2itkimage") else "install the Python package dcmqi"

    def version(self) -> str:
        """Of the Python package."""
        from importlib import metadata

        return metadata.version("dcmqi")

    def subjects(self, made: Made) -> Sequence[str]:
        """Segmentations, Parametric Maps and report."""
        return sorted(made.dicom("seg", "labelmap", "split", "pm", "sr"))

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """One run for each object."""
        return [
            error(each, name, text)
            for each in made
            for name in self.subjects(each)
            for text in _looked_at(name)(each, each.files[name])
        ]


def _looked_at(name: str) -> Callable[[Made, Path], Iterator[str]]:
    if name == "sr":
        return _values
    return map_differences if name.startswith("pm") else _segments


def _segments(made: Made, file: Path) -> Iterator[str]:
    """Where dcmqi's segments differ from the label map."""
    with TemporaryDirectory() as folder:
        images = list(_read_back(file, Path(folder)))
    labels = made.findings.label_map
    assert labels is not None
    assert made.source.affine is not None
    inverse = np.linalg.inv(made.source.affine)
    expected = {number: labels == segment.number for number, segment in made.segments(file.stem).items()}
    if {image.number for image in images} != expected.keys():
        yield f"reads segments {sorted(image.number for image in images)}, not {sorted(expected)}"
        return
    for image in images:
        places = np.argwhere(image.array) @ image.affine[:3, :3].T + image.affine[:3, 3]
        voxels = places @ inverse[:3, :3].T + inverse[:3, 3]
        whole = np.rint(voxels).astype(np.int64)
        if np.abs(voxels - whole).max() > 1e-3:
            yield f"segment {image.number} lies between the voxels of its source"
        elif set(map(tuple, whole)) != set(map(tuple, np.argwhere(expected[image.number]))):
            yield f"segment {image.number} has other voxels than the label map"


@dataclass(frozen=True)
class _Image:
    number: int
    array: NDArray[Any]
    affine: NDArray[np.float64]


def _read_back(file: Path, folder: Path) -> Iterator[_Image]:
    program = _BIN / "segimage2itkimage"
    said(program, "--inputDICOM", file, "--outputDirectory", folder, "--outputType", "nrrd", "--prefix", "s")
    for path in sorted(folder.glob("s-*.nrrd")):
        array, affine = image_of(path)
        if file.stem == "labelmap":  # dcmqi's picture of it is one, too
            yield from (_Image(int(number), array == number, affine) for number in np.unique(array[array > 0]))
        else:
            yield _Image(int(path.stem.removeprefix("s-")), array, affine)


def _values(made: Made, file: Path) -> Iterator[str]:
    """Where dcmqi's volumes differ from those that were found."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        words = said(_BIN / "tid1500reader", "--inputDICOM", file, "--outputMetadata", target)
        if not target.is_file():
            yield f"cannot read it: {' '.join(words.split())[:300]}"
            return
        groups = json.loads(target.read_text(encoding="utf-8")).get("Measurements", [])
    read = [
        (str(group.get("TrackingUniqueIdentifier") or ""), float(item["value"]), item["units"]["CodeValue"])
        for group in groups
        for item in group["measurementItems"]
        if item["quantity"]["CodeMeaning"] == "Volume"
    ]
    wanted = [(uid, volume, "mL") for uid, volume in _volumes(made.findings)]
    if not _same(read, wanted):
        yield f"reads the volumes {read}, not {wanted}"


def _volumes(findings: Findings) -> list[tuple[str, float]]:
    return [(segment.tracking_uid, segment.volume_ml) for segment in findings.present]


def _same(read: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> bool:
    return len(read) == len(wanted) and all(
        (one[0], one[2]) == (other[0], other[2]) and np.isclose(one[1], other[1], rtol=1e-3, atol=1e-3)
        for one, other in zip(sorted(read), sorted(wanted), strict=True)
    )
