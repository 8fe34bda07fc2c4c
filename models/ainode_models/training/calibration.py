"""Whether a classifier is right as often as it says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.training.class_metrics import Answers

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The images whose best class has a probability between two values."""

    low: float
    high: float
    images: int
    confidence: float | None
    """Mean probability of the best class; None without images."""
    accuracy: float | None
    """Share in which the best class is the true one."""


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram in figures."""

    expected_error: float
    """Expected calibration error: mean over the images of the gap between confidence and accuracy of their bin."""
    brier: float
    """Mean over the images of the squared distance between the probabilities and the truth, 0 to 2 (Brier 1950)."""
    bins: tuple[Bin, ...]
    """Of equal width from 0 to 1."""


def calibration_of(answers: Answers) -> Calibration:
    """Reliability of the probability of the best class, and the Brier score of all probabilities."""
    confidence = answers.probabilities.max(axis=1)
    right = answers.best == answers.truth
    place = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    bins = tuple(_bin(number, confidence[place == number], right[place == number]) for number in range(BINS))
    gaps = [each.images * abs((each.confidence or 0) - (each.accuracy or 0)) for each in bins]
    truth = np.eye(len(answers.classes))[answers.truth]
    brier = float(((answers.probabilities - truth) ** 2).sum(axis=1).mean())
    return Calibration(sum(gaps) / len(right), brier, bins)


def _bin(number: int, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Bin:
    some = len(confidence) > 0
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        images=len(confidence),
        confidence=float(confidence.mean()) if some else None,
        accuracy=float(right.mean()) if some else None,
    )
