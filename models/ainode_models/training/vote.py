"""The soft vote of the nets: its temperature, and from which probability on a class counts as present."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

_SENSITIVITY = 0.98
_COLDEST, _HOTTEST = 0.2, 5.0


@dataclass(frozen=True)
class Thresholds:
    """Of one class, see `ainode_models.class_label.ClassLabel`."""

    threshold: float
    refer_from: float


def vote(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Mean over the nets of their probabilities, ``(nets, images, classes)`` to ``(images, classes)``."""
    return np.asarray(softmax(logits.astype(np.float64) / temperature, axis=2).mean(axis=0))


def temperature_of(logits: NDArray[np.floating], labels: NDArray[np.intp]) -> float:
    """The temperature at which the vote gives the true classes the highest likelihood (Guo et al. 2017).

    It lies between 0.2 and 5, so that images that are told apart without an error give a finite one.
    """

    def surprise(log_temperature: float) -> float:
        chosen = vote(logits, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    found = minimize_scalar(surprise, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def thresholds_of(probabilities: NDArray[np.float64], labels: NDArray[np.intp]) -> tuple[Thresholds, ...]:
    """For each class the threshold of the highest F1, and the band below it in which a human must decide.

    The band begins where 98 % of the images of the class are reached, and is empty when the threshold reaches them.
    """
    return tuple(_thresholds(column, labels == label) for label, column in enumerate(probabilities.T))


def _thresholds(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> Thresholds:
    candidates = _between(scores)
    f1 = np.array([_f1(scores >= candidate, truth) for candidate in candidates])
    best = candidates[f1 >= f1.max() - 1e-12]
    threshold = _rounded(float(best[np.abs(best - 0.5).argmin()]))
    reached = [float(each) for each in candidates if np.mean(scores[truth] >= each) >= _SENSITIVITY]
    return Thresholds(threshold, min(threshold, _rounded(max(reached, default=threshold))))


def _between(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midpoints between the different scores, and one below all: at most 1000."""
    different = np.unique(scores)
    points = np.concatenate([[different[0] / 2], (different[1:] + different[:-1]) / 2])
    return points[np.linspace(0, len(points) - 1, min(len(points), 1000)).astype(np.intp)]


def _f1(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * np.sum(found & truth) / (np.sum(found) + np.sum(truth)))


def _rounded(threshold: float) -> float:
    return round(min(max(threshold, 0.001), 0.999), 4)
