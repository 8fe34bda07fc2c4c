"""The files of a package's sample: volumes or radiographs, and the stored answer.

==========================  ====================================================================================
volume, ``.npz``            ``array`` ``(slices, rows, columns)``, ``affine`` ``(4, 4)`` as in `Volume`
radiograph, ``.npz``        ``pixels`` ``(rows, columns)``, 0 black to 1 white; ``body_part`` and ``view`` if known
radiograph, ``.png``        grey, 8 or 16 bits
answer of segmentation      ``.npz`` with ``label_map`` ``(slices, rows, columns)``
answer of a classifier      ``.npz`` with ``probabilities`` ``(classes,)`` in the order of ``[[class]]``
==========================  ====================================================================================
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.errors import PackageError
from ainode_models.package import ModelPackage
from ainode_models.radiograph import Radiograph
from ainode_models.sample import Sample
from ainode_models.volume import Volume


def sample_volumes(package: ModelPackage, sample: Sample) -> dict[str, Volume]:
    """The inputs of a model that segments, all in one frame of reference; raises `PackageError`."""
    return {name: _volume(package.folder / path) for name, path in sample.inputs.items()}


def sample_radiographs(package: ModelPackage, sample: Sample) -> dict[str, Radiograph]:
    """The inputs of a classifier; raises `PackageError`."""
    modality = {each.name: each.modality for each in package.manifest.inputs}
    return {name: _radiograph(package.folder / path, modality[name]) for name, path in sample.inputs.items()}


def stored_label_map(package: ModelPackage, sample: Sample) -> NDArray[Any]:
    """The answer of a model that segments; raises `PackageError`."""
    return _array(package.folder / sample.answer, "label_map", dimensions=3)


def stored_probabilities(package: ModelPackage, sample: Sample) -> NDArray[Any]:
    """The answer of a classifier, ``(classes,)``; raises `PackageError`."""
    return _array(package.folder / sample.answer, "probabilities", dimensions=1)


def write_arrays(folder: Path, path: PurePosixPath, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a ``.npz`` of a sample, compressed."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / path, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub takes allow_pickle first


def write_radiograph(folder: Path, path: PurePosixPath, pixels: NDArray[np.floating]) -> None:
    """Write a radiograph ``(rows, columns)``, 0 black to 1 white, as a grey ``.png`` of 8 bits."""
    from imagecodecs import png_encode

    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(png_encode(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8), level=9))


def _volume(file: Path) -> Volume:
    affine = _array(file, "affine", dimensions=2).astype(np.float64)
    if affine.shape != (4, 4):
        raise PackageError(f"{file}: 'affine' must be 4 x 4, not {affine.shape}")
    return Volume(_array(file, "array", dimensions=3), affine, "sample")


def _radiograph(file: Path, modality: str) -> Radiograph:
    if file.suffix.lower() == ".png":
        return Radiograph(_png(file), modality)
    said = _arrays(file)
    pixels = _array(file, "pixels", dimensions=2).astype(np.float32)
    return Radiograph(pixels, modality, str(said.get("body_part", "")), str(said.get("view", "")))


def _png(file: Path) -> NDArray[np.float32]:
    from imagecodecs import PngError, png_decode

    try:
        pixels = png_decode(file.read_bytes())
    except (OSError, PngError) as exc:
        raise PackageError(f"{file}: cannot be read as PNG; write the sample of the package anew") from exc
    if pixels.ndim != 2:
        raise PackageError(f"{file}: must be grey, with one value for each pixel")
    return (pixels / np.iinfo(pixels.dtype).max).astype(np.float32)


def _array(file: Path, key: str, *, dimensions: int) -> NDArray[Any]:
    arrays = _arrays(file)
    if key not in arrays:
        raise PackageError(f"{file}: holds no array {key!r}, only {', '.join(arrays) or 'nothing'}; add it")
    if arrays[key].ndim != dimensions:
        raise PackageError(f"{file}: {key!r} has the shape {arrays[key].shape}; it must have {dimensions} dimensions")
    return arrays[key]


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as exc:
        raise PackageError(f"{file}: cannot be read as .npz of plain arrays; write the sample anew") from exc
