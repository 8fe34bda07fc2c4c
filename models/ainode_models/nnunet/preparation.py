"""An image as the network wants it: turned, cropped and normalised, as nnU-Net's ``DefaultPreprocessor`` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ainode_models.nnunet.plans import Configuration, Normalisation
from ainode_models.nnunet.resampling import Resampling, Shape

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Grids:
    """The grids that an image goes through, in the axes of the network."""

    whole: Shape
    """Voxels of the image."""
    crop: tuple[slice, ...]
    """The part that is not zero all around."""
    inside: NDArray[np.bool_]
    """Of that part: where some channel is not zero, and the holes in it."""
    seen: Shape
    """Voxels of what the network sees."""
    spacing: tuple[float, ...]
    """Of the image, in millimetres."""
    wanted: tuple[float, ...]
    """Of what the network sees."""

    @property
    def cropped(self) -> Shape:
        """Voxels of the cropped image."""
        return tuple(part.stop - part.start for part in self.crop)

    def forth(self, configuration: Configuration) -> Resampling:
        """From the cropped image to what the network sees."""
        return Resampling.between(configuration.data, self.cropped, self.seen, spacing=self.spacing, wanted=self.wanted)

    def back(self, configuration: Configuration) -> Resampling:
        """From the network's answer to the cropped image."""
        return Resampling.between(
            configuration.logits, self.seen, self.cropped, spacing=self.wanted, wanted=self.spacing
        )


def prepared(image: Image, spacing: Sequence[float], configuration: Configuration) -> tuple[Image, Grids]:
    """The cropped, normalised image ``(channels, *voxels)`` in the network's axes, not resampled yet, and its grids.

    ``image`` is ``(channels, slices, rows, columns)``, ``spacing`` in millimetres in the order of these axes.
    """
    axes = configuration.transpose
    turned = image.transpose(0, *(axis + 1 for axis in axes))
    inside = _inside(turned)
    crop = _box(inside)
    cropped = np.array(turned[(slice(None), *crop)], dtype=np.float32, order="C")
    mask = inside[crop]
    for channel, normalisation in zip(cropped, configuration.normalisations, strict=True):
        channel[...] = _normalised(channel, mask, normalisation)
    own = tuple(spacing[axis] for axis in axes)
    wanted = (*own[: 3 - len(configuration.spacing)], *configuration.spacing)
    # as compute_new_shape: Python's own rounding, and the spacing divided first
    seen = tuple(round(old / new * size) for old, new, size in zip(own, wanted, cropped.shape[1:], strict=True))
    return cropped, Grids(turned.shape[1:], crop, mask, seen, own, wanted)


def _inside(image: Image) -> NDArray[np.bool_]:
    """Where some channel is not zero, and the holes in it."""
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes((image != 0).any(axis=0))
    return filled


def _box(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The bounding box; all of an image that is nothing but zeros."""
    found = ndimage.find_objects(inside.astype(np.uint8))
    return tuple(found[0]) if found else tuple(slice(0, size) for size in inside.shape)


def _normalised(channel: Image, mask: NDArray[np.bool_], how: Normalisation) -> Image:
    from nnunetv2.preprocessing.normalization import default_normalization_schemes  # asks for no torch

    kind: Any = getattr(default_normalization_schemes, how.scheme)
    scheme = kind(use_mask_for_norm=how.use_mask, intensityproperties=dict(how.properties))
    outside = np.where(mask, np.int8(0), np.int8(-1))  # how nnU-Net marks the voxels that do not count
    answer: Image = scheme.run(channel, outside)
    return answer
