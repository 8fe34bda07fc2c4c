"""Patches that cover a larger volume, and the weights with which their answers are averaged."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from ainode_models.lattice import Floats

Shape = tuple[int, int, int]


def covered(image: Floats, patch: Shape, predict: Callable[[Floats], Floats]) -> Floats:
    """``predict`` of every window of ``image`` (``(channels, *points)``), averaged: ``(classes, *points)``.

    A window is ``patch`` points large, which the image is at least. Windows overlap by half or more; in the average a
    point counts the more the nearer it lies to the middle of its window.
    """
    size = (image.shape[1], image.shape[2], image.shape[3])
    if size == patch:
        return predict(image)
    weight, total = _weight(patch), np.zeros(size, dtype=np.float32)
    answer: Floats | None = None
    for place in _windows(size, patch):
        probabilities = predict(np.ascontiguousarray(image[(slice(None), *place)])) * weight
        if answer is None:
            answer = np.zeros((len(probabilities), *size), dtype=np.float32)
        answer[(slice(None), *place)] += probabilities
        total[place] += weight
    assert answer is not None
    return answer / total


def _windows(size: Shape, patch: Shape) -> Iterator[tuple[slice, slice, slice]]:
    starts = [_starts(points, wanted) for points, wanted in zip(size, patch, strict=True)]
    for first, second, third in itertools.product(*starts):
        yield slice(first, first + patch[0]), slice(second, second + patch[1]), slice(third, third + patch[2])


def _starts(points: int, wanted: int) -> list[int]:
    """First points of windows that are spread evenly, half a window apart at most."""
    gaps = math.ceil((points - wanted) / (wanted / 2))
    return [round(number * (points - wanted) / gaps) for number in range(gaps + 1)] if gaps else [0]


def _weight(patch: Shape) -> Floats:
    """A Gaussian with a deviation of an eighth of the patch, as nnU-Net's (``compute_gaussian``)."""
    bells = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in patch]
    weight: Floats = np.maximum(np.einsum("i,j,k->ijk", *bells), 1e-6).astype(np.float32)
    return weight
