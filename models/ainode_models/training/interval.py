"""A figure with its 95 % confidence interval, by the bootstrap over patients or cases."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure, and between what it lies in 95 % of the resamples; None where it has no value."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, resampled: NDArray[np.float64]) -> "Interval":
        """The interval of a figure by its values in the resamples; those without one are left out."""
        kept = resampled[np.isfinite(resampled)]
        if not np.isfinite(value) or not len(kept):
            return cls(_finite(value), None, None)
        low, high = np.percentile(kept, [2.5, 97.5])
        return cls(float(value), float(low), float(high))

    def __str__(self) -> str:
        if self.value is None:
            return "none"
        return f"{self.value:.3f}" if self.low is None else f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def resampled_weights(groups: NDArray[np.intp], *, seed: int) -> NDArray[np.float64]:
    """How often each item is drawn in each resample of whole groups, ``(RESAMPLES, items)``."""
    count = int(groups.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return drawn[:, groups].astype(np.float64)


def mean_interval(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Interval:
    """The mean of the values, and its interval; items that are NaN do not count."""
    known = np.isfinite(values)
    return _interval(lambda each: _ratio(each[..., known] @ values[known], each[..., known].sum(axis=-1)), weights)


def f1_interval(said: NDArray[np.bool_], truth: NDArray[np.bool_], weights: NDArray[np.float64]) -> Interval:
    """Twice the hits, of all that are said and all that are true, and its interval."""
    both, all_of_both = 2.0 * (said & truth), said.astype(np.float64) + truth
    return _interval(lambda each: _ratio(each @ both, each @ all_of_both), weights)


def auc_interval(scores: NDArray[np.float64], truth: NDArray[np.bool_], weights: NDArray[np.float64]) -> Interval:
    """The area under the ROC curve, and its interval."""
    return _interval(lambda each: _auc(scores, truth, each), weights)


def _interval(figure: Callable[[NDArray[np.float64]], NDArray[np.float64]], weights: NDArray[np.float64]) -> Interval:
    return Interval.of(float(figure(np.ones(weights.shape[1]))), figure(weights))


def _auc(scores: NDArray[np.float64], truth: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance that an image of the class scores higher than one of another, ties half (Mann and Whitney)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    hits, others = (np.add.reduceat(weights[..., order] * own[order], starts, axis=-1) for own in (truth, ~truth))
    below = np.cumsum(others, axis=-1) - others / 2
    return _ratio((hits * below).sum(axis=-1), hits.sum(axis=-1) * others.sum(axis=-1))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    empty = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=empty, where=np.asarray(whole) > 0))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
