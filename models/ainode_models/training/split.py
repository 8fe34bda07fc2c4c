"""Which images a model learns from, which choose among its epochs, and which it never sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ainode_models.errors import InputError

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """Indices of the images of each part; no patient and no exact copy is in two of them."""

    training: Indices
    validation: Indices
    held_out: Indices
    copies: int
    """Images that are an exact copy of an earlier one."""


def split(
    labels: NDArray[np.intp], patients: Sequence[str], digests: Sequence[str], *, shares: tuple[float, float], seed: int
) -> Split:
    """Split by patient, with about the same share of each class in each part.

    ``shares``: of validation and of held-out images. Patients who share an exact copy stay together. Raises
    `InputError` when a class has fewer than three patients.
    """
    groups = groups_of(patients, digests)
    part = np.zeros(len(labels), np.intp)
    rng = np.random.default_rng(seed)
    classes = _class_of_groups(labels, groups)
    sizes = np.bincount(groups)
    for label in range(int(labels.max()) + 1):
        own = np.flatnonzero(classes == label)
        if len(own) < 3:
            raise InputError(
                f"class {label + 1} has images of {len(own)} patients; at least 3 are needed, one for each part"
            )
        for number, members in enumerate(_deal(rng.permutation(own), sizes, shares), 1):
            part[np.isin(groups, members)] = number
    training, validation, held_out = (np.flatnonzero(part == number) for number in range(3))
    return Split(training, validation, held_out, len(digests) - len(set(digests)))


def groups_of(patients: Sequence[str], digests: Sequence[str]) -> NDArray[np.intp]:
    """A number for each image, the same for all that a patient or an exact copy ties together."""
    count = len(patients)
    patient = np.unique(np.array(patients), return_inverse=True)[1]
    copy = np.unique(np.array(digests), return_inverse=True)[1] + patient.max() + 1
    images = np.arange(count) + copy.max() + 1
    ends = np.concatenate([patient, copy]), np.concatenate([images, images])
    size = count + int(copy.max()) + 1
    ties = coo_array((np.ones(2 * count, np.int8), ends), shape=(size, size))
    found = connected_components(ties, directed=False)[1][images]
    return np.asarray(np.unique(found, return_inverse=True)[1], np.intp)


def _class_of_groups(labels: NDArray[np.intp], groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """The most frequent class of each group."""
    counts = np.zeros((groups.max() + 1, labels.max() + 1), np.intp)
    np.add.at(counts, (groups, labels), 1)
    return np.asarray(counts.argmax(axis=1), np.intp)


def _deal(groups: Indices, sizes: Indices, shares: tuple[float, float]) -> tuple[Indices, Indices]:
    """The groups of one class for validation and for holding out; large ones stay for training."""
    total = int(sizes[groups].sum())
    targets = [max(1.0, share * total) for share in shares]
    queue = sorted(groups.tolist(), key=lambda group: bool(sizes[group] > min(targets)))
    dealt: list[list[int]] = []
    for left, target in zip((2, 1), targets, strict=True):
        taken = [queue.pop(0)]
        while len(queue) > left and sizes[taken].sum() + sizes[queue[0]] <= target + 0.5:
            taken.append(queue.pop(0))
        dealt.append(taken)
    return np.array(dealt[0], np.intp), np.array(dealt[1], np.intp)
