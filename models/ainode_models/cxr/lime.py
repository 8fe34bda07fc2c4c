"""Which parts of a picture spoke for a class: LIME (Ribeiro et al. 2016) on superpixels, within a time budget.

Our own, because the package `lime` of PyPI has had no release since 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.settings import LimeSettings

Grey = NDArray[np.float32]
Predict = Callable[[Grey], NDArray[np.float64]]
"""Pictures ``(n, rows, columns)`` to probabilities ``(n, classes)``."""

_SUPERPIXELS = 60
_BATCH = 8
_KERNEL_WIDTH = 0.25
_RIDGE = 1.0


@dataclass(frozen=True)
class LimeAnswer:
    """Maps, and what they rest on."""

    maps: NDArray[np.float32]
    """``(classes, rows, columns)``: the weight of each superpixel by the largest of its class; nothing below 0."""
    samples: int


def lime(
    grey: Grey, predict: Predict, *, limits: LimeSettings, clock: Callable[[], float], seed: int = 0
) -> LimeAnswer:
    """Explain the probabilities of ``grey`` (rows, columns).

    Half of the superpixels at a time, at random, are replaced by the picture's median. A ridge regression of the
    probabilities on what was left, near samples first, gives the weights. At least one batch is taken, however
    short the time.
    """
    parts = _superpixels(grey)
    count, rng = int(parts.max()) + 1, np.random.default_rng(seed)
    end, hidden = clock() + limits.seconds, np.float32(np.median(grey[grey > 0])) if (grey > 0).any() else np.float32(0)
    kept = [np.ones((1, count), dtype=bool)]
    answers = [predict(grey[None])]
    while (taken := sum(map(len, kept))) < limits.samples and (taken == 1 or clock() < end):
        left = rng.random((min(_BATCH, limits.samples - taken), count)) < 0.5
        answers.append(predict(np.where(left[:, parts], grey, hidden)))
        kept.append(left)
    weights = _regression(np.concatenate(kept), np.concatenate(answers))
    return LimeAnswer(_maps(weights, parts), taken)


def _superpixels(grey: Grey) -> NDArray[np.int64]:
    from skimage.segmentation import slic

    labels = slic(grey, n_segments=_SUPERPIXELS, compactness=0.1, sigma=2, channel_axis=None, start_label=0)
    return np.asarray(labels, dtype=np.int64)


def _regression(kept: NDArray[np.bool_], answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights ``(superpixels, classes)``; samples count by their cosine distance to the whole picture."""
    distance = 1 - np.sqrt(kept.mean(axis=1))
    near = np.exp(-(distance**2) / _KERNEL_WIDTH**2)[:, None]
    share = near / near.sum()
    given = kept - (share * kept).sum(axis=0)
    wanted = answers - (share * answers).sum(axis=0)
    return np.asarray(
        np.linalg.solve(given.T @ (near * given) + _RIDGE * np.eye(kept.shape[1]), given.T @ (near * wanted))
    )


def _maps(weights: NDArray[np.float64], parts: NDArray[np.int64]) -> NDArray[np.float32]:
    positive = np.clip(weights, 0, None)
    positive /= np.maximum(positive.max(axis=0), np.finfo(np.float64).tiny)
    return np.asarray(positive.T[:, parts], dtype=np.float32)
