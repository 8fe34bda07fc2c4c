"""Independent readers of DICOM results: dicom3tools, dcmtk and dcmqi. Each fails with the tool's own words."""

import json
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

_DCMQI = Path(sysconfig.get_path("scripts"))


def _said(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=120)
    return done.stdout + done.stderr


def assert_valid_iod(path: Path) -> None:
    """Fail with the errors that dciodvfy finds against the IOD of PS3.3."""
    said = _said("dciodvfy", path)
    errors = [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]
    assert not errors, "\n".join(errors)
    assert said.strip(), "dciodvfy said nothing, not even the IOD"


def entity_warnings(paths: Sequence[Path]) -> list[str]:
    """Differences of patient, study, series and frame of reference that dcentvfy finds between objects.

    Left out is "Different information entities": dcentvfy finds AccessionNumber in another module of an SR than of
    an MR, in everybody's objects.
    """
    lines = _said("dcentvfy", *paths).splitlines()
    return [line for line in lines if line and "Different information entities" not in line]


def report_text(path: Path) -> str:
    """The whole content of an SR with codes, template ids and full texts, as dsrdump reads it; errors fail."""
    done = subprocess.run(
        ["/usr/bin/dsrdump", "+Pc", "+Pt", "+Pl", "-Ec", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), done.stderr
    return done.stdout


@dataclass(frozen=True)
class SegmentImage:
    """One segment on the grid that dcmqi gives it."""

    array: NDArray[Any]
    """Voxels, ``(slices, rows, columns)``, not zero inside the segment."""
    affine: NDArray[np.float64]
    """Voxel index ``(slice, row, column)`` to LPS mm, 4 x 4."""


def segment_images(path: Path, folder: Path) -> dict[int, SegmentImage]:
    """Each segment of a SEG, by segment number, as dcmqi's segimage2itkimage writes them."""
    folder.mkdir(exist_ok=True)
    program = _DCMQI / "segimage2itkimage"
    said = _said(program, "--inputDICOM", path, "--outputDirectory", folder, "--outputType", "nrrd", "--prefix", "s")
    files = sorted(folder.glob("s-*.nrrd"))
    assert files, said
    return {int(file.stem.removeprefix("s-")): itk_image(file) for file in files}


def itk_image(file: Path) -> SegmentImage:
    """An image as ITK reads it."""
    """An image of ITK."""
    image: Any = SimpleITK.ReadImage(str(file))
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return SegmentImage(SimpleITK.GetArrayFromImage(image), affine)


def report_measurements(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Measurement groups of a TID 1500 report, as dcmqi's tid1500reader understands them."""
    target = folder / f"{path.stem}.json"
    said = _said(_DCMQI / "tid1500reader", "--inputDICOM", path, "--outputMetadata", target)
    assert target.exists(), said
    groups: list[dict[str, Any]] = json.loads(target.read_text())["Measurements"]
    return groups
