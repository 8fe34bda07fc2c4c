"""Images of a data set from their files, and what of them the nets get."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ainode_models.cxr.nets import SIDE
from ainode_models.errors import InputError
from ainode_models.training.xray_folder import LabelledXray

_DEEP = {"I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I": 65535.0, "F": 1.0}


@dataclass(frozen=True)
class XrayPixels:
    """The images of a data set in memory, 50 kB each."""

    images: NDArray[np.uint8]
    """``(images, SIDE, SIDE)``."""
    digests: tuple[str, ...]
    """SHA-256 of the pixels as they are in the file: the same for exact copies."""


def read_pixels(xrays: Sequence[LabelledXray], report: Callable[[int], None]) -> XrayPixels:
    """Read every image; ``report`` is told how many are done. Raises `InputError`."""
    images = np.empty((len(xrays), SIDE, SIDE), np.uint8)
    digests: list[str] = []
    for number, xray in enumerate(xrays):
        grey = grey_of(xray.file)
        digests.append(hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest())
        images[number] = _small(grey if xray.mask is None else grey * mask_of(xray.mask, grey.shape))
        report(number + 1)
    return XrayPixels(images, tuple(digests))


def grey_of(file: Path) -> NDArray[np.float32]:
    """The image as ``(rows, columns)``, 0 black to 1 white; colours become their luminance. Raises `InputError`."""
    with _opened(file) as image:
        if image.mode in _DEEP:
            deep = np.asarray(image, np.float32) / np.float32(_DEEP[image.mode])
            return np.asarray(np.clip(deep, 0, 1), np.float32)
        return np.asarray(image.convert("L"), np.float32) / np.float32(255)


def mask_of(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a mask is above 0, brought to ``shape`` (rows, columns) by the nearest pixel. Raises `InputError`."""
    with _opened(file) as image:
        grey = image if image.mode in _DEEP else image.convert("L")
        return np.asarray(grey.resize((shape[1], shape[0]), Image.Resampling.NEAREST)) > 0


def _small(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    image = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(np.rint(np.clip(np.asarray(image), 0, 1) * 255), np.uint8)


def _opened(file: Path) -> Image.Image:
    try:
        image = Image.open(file)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise InputError(f"{file.parent}: an image cannot be read: {type(exc).__name__}; remove or replace it") from exc
    return image
