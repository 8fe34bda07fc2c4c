"""Images of a data set from their files, and what of them the nets get."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ainode_models.cxr.lung_net import LungNet
from ainode_models.cxr.nets import SIDE
from ainode_models.cxr.prepare import prepared
from ainode_models.cxr.torch_nets import asked
from ainode_models.errors import InputError
from ainode_models.radiograph import Radiograph
from ainode_models.training.xray_folder import LabelledXray

Report = Callable[[int], None]
"""Is told how many images are done."""

_DEEP = {"I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I": 65535.0, "F": 1.0}


def digests_of(xrays: Sequence[LabelledXray], report: Report) -> tuple[str, ...]:
    """SHA-256 of the pixels of each image as they are in the file: the same for exact copies. Raises `InputError`."""
    digests = []
    for number, xray in enumerate(xrays, 1):
        grey = grey_of(xray.file)
        digests.append(hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).hexdigest())
        report(number)
    return tuple(digests)


def prepared_pixels(xrays: Sequence[LabelledXray], lung_net: LungNet | None, report: Report) -> NDArray[np.uint8]:
    """What the nets will get of each image at work, ``(images, SIDE, SIDE)``, rounded to 8 bits: 50 kB each.

    The rounding moves values by at most 1/510. Raises `InputError` for an image that would be refused at work.
    """
    lungs = asked(lung_net) if lung_net else None
    images = np.empty((len(xrays), SIDE, SIDE), np.uint8)
    for number, xray in enumerate(xrays):
        image = radiograph_of(xray.file)
        with refusals_named(xray.file):
            grey, _ = prepared(image, lungs)
        images[number] = np.rint(np.clip(grey[0, 0], 0, 1) * 255)
        report(number + 1)
    return images


def radiograph_of(file: Path) -> Radiograph:
    """An image of the data as the node would give it to the model: whoever trains says that it is a frontal chest."""
    return Radiograph(grey_of(file), modality="DX", body_part="CHEST", view="PA")


@contextmanager
def refusals_named(file: Path) -> Iterator[None]:
    """Say in which folder an image lies that the model would refuse."""
    try:
        yield
    except InputError as exc:
        raise InputError(f"{file.parent}: an image cannot be used: {exc}; remove or replace it") from exc


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


def _opened(file: Path) -> Image.Image:
    try:
        image = Image.open(file)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise InputError(f"{file.parent}: an image cannot be read: {type(exc).__name__}; remove or replace it") from exc
    return image
