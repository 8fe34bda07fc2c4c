"""The lung mask of a radiograph, and when it is not believed."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.cxr.ask import Ask
from ainode_models.cxr.net_input import resized

SIDE = 112
"""Rows and columns that the lung net gets."""
AREA = (0.10, 0.65)
"""Lungs fill no less and no more of a picture."""
SMALLEST = 0.02
"""Parts of the mask that fill less of the picture are specks."""


def lungs_of(ask: Ask, pixels: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Mask of the shape of ``pixels`` by a `LungNet`, enlarged by nearest neighbour; None when it cannot be lungs."""
    small = _without_specks(ask(resized(pixels, SIDE))[0, 0] > 0)
    return _enlarged(small, pixels.shape) if _plausible(small) else None


def masked(pixels: NDArray[np.float32], lungs: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Grey values within the lungs, black elsewhere; all of them without a mask."""
    return pixels if lungs is None else np.where(lungs, pixels, np.float32(0))


def _plausible(small: NDArray[np.bool_]) -> bool:
    half = small.shape[1] // 2
    beside = min(small[:, :half].mean(), small[:, half:].mean())
    return AREA[0] <= small.mean() <= AREA[1] and bool(beside >= AREA[0] / 2)


def _without_specks(small: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, _ = ndimage.label(small)
    kept = np.flatnonzero(np.bincount(parts.ravel())[1:] >= SMALLEST * small.size) + 1
    return np.asarray(ndimage.binary_fill_holes(np.isin(parts, kept)))


def _enlarged(small: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    index = [np.minimum((np.arange(size) + 0.5) * SIDE / size, SIDE - 1).astype(int) for size in shape]
    return np.asarray(small[np.ix_(*index)])
