"""Whether a classifier is as good for some as for others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.training.class_metrics import Answers
from ainode_models.training.interval import Interval, mean_interval, resampled_weights


@dataclass(frozen=True)
class Subgroup:
    """The images of one sex, age band, site or view."""

    images: int
    patients: int
    accuracy: Interval
    recall: Mapping[str, float | None]
    """By class; None when no image of the subgroup is of it."""


Subgroups = Mapping[str, Mapping[str, Subgroup]]
"""By ``sex``, ``age``, ``site`` or ``view``, and then by its values."""


def subgroups_of(answers: Answers, *, seed: int) -> Subgroups:
    """Figures of each value of each stratum; images for which it is not known are ``not known``, if some are."""
    keys = sorted({key for strata in answers.strata for key in strata})
    return {key: _by_value(answers, key, seed) for key in keys}


def _by_value(answers: Answers, key: str, seed: int) -> Mapping[str, Subgroup]:
    values = np.array([strata.get(key, "not known") for strata in answers.strata])
    return {str(value): _subgroup(answers, values == value, seed) for value in np.unique(values)}


def _subgroup(answers: Answers, own: NDArray[np.bool_], seed: int) -> Subgroup:
    patients = np.unique(answers.patients[own], return_inverse=True)[1]
    right = (answers.best == answers.truth)[own]
    truth = answers.truth[own]
    return Subgroup(
        images=len(right),
        patients=int(patients.max()) + 1,
        accuracy=mean_interval(right.astype(np.float64), resampled_weights(patients, seed=seed)),
        recall={
            name: float(right[truth == number].mean()) if (truth == number).any() else None
            for number, name in enumerate(answers.classes)
        },
    )
