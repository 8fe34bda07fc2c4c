"""Networks' answers on the grid of the image, a slab at a time: full-size logits of every label never exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from array_api_compat import array_namespace, to_device
from numpy.typing import NDArray

from ainode_models.nnunet.labels import Heads
from ainode_models.nnunet.preparation import Grids
from ainode_models.nnunet.resampling import Resampling

_SLAB = 1 << 23
"""Numbers, 32 MiB, that a slab has at most."""
_EDGE = 128
"""Rows and columns that it has at most: a matrix of a whole axis is nearly all zeros, and the time goes to them."""


@dataclass(frozen=True)
class Seen:
    """What one network says of what it sees."""

    logits: Any
    """``(heads, *voxels)`` in the network's axes and on its grid, where it computes."""
    grids: Grids
    back: Resampling
    transpose: tuple[int, ...]
    """As `Configuration.transpose`."""
    flipped: bool
    """Whether rows and columns of what it read run against the image's."""

    @property
    def crop(self) -> tuple[slice, ...]:
        """The part of the image that was looked at, in the image's axes."""
        parts = []
        for axis in range(3):
            own = self.transpose.index(axis)
            part, size = self.grids.crop[own], self.grids.whole[own]
            parts.append(slice(size - part.stop, size - part.start) if self.flipped and axis else part)
        return tuple(parts)

    def slab(self, place: Sequence[slice]) -> Any:
        """Logits ``(heads, slices, rows, columns)`` of some slices, rows and columns of the crop."""
        back, index = self.back, [slice(None)] * 4
        for axis, part in enumerate(place):
            own = self.transpose.index(axis)
            size = self.grids.cropped[own]
            turned = slice(size - part.stop, size - part.start) if self.flipped and axis else part
            back, index[own + 1] = back.part(own, turned.start, turned.stop)
        made = back.apply(self.logits[tuple(index)])
        xp = array_namespace(made)
        image = xp.permute_dims(made, (0, *(self.transpose.index(axis) + 1 for axis in range(3))))
        return xp.flip(image, axis=(2, 3)) if self.flipped else image


@dataclass(frozen=True)
class Answer:
    """Of all networks of a package, in the axes of the image."""

    labels: NDArray[np.uint8]
    """``(slices, rows, columns)``."""
    confidence: dict[int, float]
    """Mean probability of each label that occurs, over its own voxels."""
    probabilities: NDArray[np.float16] | None
    """``(labels, slices, rows, columns)``, of the labels that were asked for."""


def answer(
    seen: Sequence[Seen], heads: Heads, *, size: tuple[int, ...], keep: Sequence[int] = (), most: int = _SLAB
) -> Answer:
    """Labels from the mean of the networks' probabilities, as ``nnUNetv2_ensemble`` makes them.

    ``size`` is that of the image, ``keep`` the labels whose probabilities are wanted, ``most`` the numbers of a slab.
    """
    labels = np.zeros(size, dtype=np.uint8)
    kept = np.zeros((len(keep), *size), dtype=np.float16) if keep else None
    sums: NDArray[np.float64] = np.zeros(256)
    counts: NDArray[np.int64] = np.zeros(256, dtype=np.int64)
    crop = seen[0].crop
    for part, place in _slabs(crop, most // heads.count):
        found, sure, likely = _decided([one.slab(part) for one in seen], heads, whole=bool(keep))
        labels[place] = found
        foreground = found[found > 0]
        sums += np.bincount(foreground, weights=sure, minlength=256)
        counts += np.bincount(foreground, minlength=256)
        if kept is not None:
            kept[(slice(None), *place)] = likely[heads.lookup()[list(keep)]]
    confidence = {int(label): float(sums[label] / counts[label]) for label in np.flatnonzero(counts)}
    return Answer(labels, confidence, kept)


def _slabs(crop: tuple[slice, ...], voxels: int) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Parts of the crop of so many ``voxels`` at most, and where they lie in the image."""
    sizes = [part.stop - part.start for part in crop]
    steps: list[int] = []
    for size, most in zip(reversed(sizes), (_EDGE, _EDGE, sizes[0]), strict=True):
        steps.insert(0, max(1, min(size, most, voxels)))
        voxels //= steps[0]
    for starts in product(*map(range, (0, 0, 0), sizes, steps)):
        part = tuple(
            slice(*ends) for ends in zip(starts, np.minimum(np.add(starts, steps), sizes).tolist(), strict=True)
        )
        yield (
            part,
            tuple(
                slice(whole.start + cut.start, whole.start + cut.stop) for whole, cut in zip(crop, part, strict=True)
            ),
        )


def _decided(
    logits: list[Any], heads: Heads, *, whole: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float32]]:
    """Labels of a slab, the probabilities of those of its voxels that have one, and, when asked for, all of them."""
    if len(logits) == 1 and heads.order is None and not whole:  # nearly all voxels need no exponential function
        found = heads.labels(logits[0])
        probabilities = heads.probabilities(logits[0][:, found > 0])
        xp = array_namespace(probabilities)
        return (
            _numpy(found).astype(np.uint8),
            _numpy(xp.max(probabilities, axis=0)).astype(np.float64),
            np.empty(0, np.float32),
        )
    mean = sum(heads.probabilities(each) for each in logits) / len(logits)
    labels = _numpy(heads.labels(mean)).astype(np.uint8)
    likely = _numpy(mean)
    at = np.nonzero(labels)
    return labels, likely[(heads.lookup()[labels[at]], *at)].astype(np.float64), likely


def _numpy(array: Any) -> NDArray[Any]:
    return np.asarray(to_device(array, "cpu"))
