"""The figures of an evaluation, held against scikit-learn and against brute force."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from ainode_models.training.calibration import calibration_of
from ainode_models.training.class_metrics import Answers, confusion_of, figures_of, precision_recall_of, roc_of
from ainode_models.training.interval import auc_interval, resampled_weights
from ainode_models.training.overlap import overlap_of
from ainode_models.training.subgroups import subgroups_of


def some_answers(images: int = 400) -> Answers:
    """Answers of three classes that are right more often than not; two images of each patient."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, images)
    scores = np.round(rng.dirichlet([1, 1, 1], images) + 0.5 * np.eye(3)[truth], 2)
    strata = tuple({"sex": "F" if number % 2 else "M"} if number > 20 else {} for number in range(images))
    return Answers(
        classes=("a", "b", "c"),
        truth=truth,
        probabilities=scores / scores.sum(axis=1, keepdims=True),
        thresholds=(0.5, 0.5, 0.5),
        refer_from=(0.3, 0.3, 0.5),
        patients=np.arange(images) // 2,
        strata=strata,
    )


def test_figures_of_each_class_are_those_of_scikit_learn() -> None:
    answers = some_answers()
    figures = figures_of(answers, seed=1)
    assert figures.patients == 200
    for number, each in enumerate(figures.by_class.values()):
        truth, said, scores = answers.truth == number, answers.best == number, answers.probabilities[:, number]
        assert each.f1.value == pytest.approx(f1_score(truth, said))
        assert each.precision.value == pytest.approx(precision_score(truth, said))
        assert each.recall.value == pytest.approx(recall_score(truth, said))
        assert each.specificity.value == pytest.approx(recall_score(~truth, ~said))
        assert each.auc.value == pytest.approx(roc_auc_score(truth, scores))
        roc = roc_of(answers, number)
        assert roc is not None and roc.area == pytest.approx(each.auc.value)
        low, value, high = each.auc.low, each.auc.value, each.auc.high
        assert low is not None and value is not None and high is not None and low < value < high
    assert confusion_of(answers).sum() == 400
    assert np.trace(confusion_of(answers)) / 400 == pytest.approx(figures.accuracy.value)


def test_resampled_areas_with_ties_are_those_of_scikit_learn() -> None:
    answers = some_answers(60)
    truth, scores = answers.truth == 1, np.round(answers.probabilities[:, 1], 1)
    weights = resampled_weights(answers.patients, seed=1)
    areas = [roc_auc_score(truth, scores, sample_weight=each) for each in weights]
    interval = auc_interval(scores, truth, weights)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(areas, [2.5, 97.5])))


def test_a_class_that_does_not_occur_has_no_area_and_no_recall() -> None:
    answers = some_answers(40)
    without = Answers(**{**vars(answers), "truth": np.minimum(answers.truth, 1)})
    last = figures_of(without, seed=1).by_class["c"]
    assert (last.images, last.auc.value, last.recall.value) == (0, None, None)
    assert roc_of(without, 2) is None and precision_recall_of(without, 2) is None


def test_calibration_counts_the_gap_of_each_bin() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.35, 0.65]])
    said = Answers(("a", "b"), np.array([0, 1, 0, 0]), probabilities, (0.5,) * 2, (0.5,) * 2, np.arange(4), ({},) * 4)
    calibration = calibration_of(said)
    assert calibration.expected_error == pytest.approx((2 * 0.45 + 2 * 0.15) / 4)
    assert calibration.brier == pytest.approx(2 * np.mean([0.05**2, 0.95**2, 0.35**2, 0.65**2]))
    assert sum(each.images for each in calibration.bins) == 4


def test_subgroups_are_counted_and_what_is_not_known_is_named() -> None:
    sexes = subgroups_of(some_answers(), seed=1)["sex"]
    assert {name: each.images for name, each in sexes.items()} == {"F": 190, "M": 189, "not known": 21}
    assert all(each.accuracy.value is not None for each in sexes.values())


def test_overlap_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(4)
    grid = np.indices((14, 16, 18))
    spacing = (2.5, 0.8, 1.1)
    one, other = (
        np.linalg.norm(grid - np.array(centre)[:, None, None, None], axis=0) < radius
        for centre, radius in (((6, 7, 8), 5), ((7, 8, 9), 4))
    )
    other &= rng.random(other.shape) < 0.9
    first, second = (np.argwhere(_surface(mask)) * np.array(spacing) for mask in (one, other))
    apart = cdist(first.tolist(), second.tolist())
    expected = max(np.percentile(apart.min(axis=1), 95), np.percentile(apart.min(axis=0), 95))
    found = overlap_of(one, other, spacing=spacing, voxel_ml=0.0022)
    assert found.hd95_mm == pytest.approx(expected)
    assert found.dice == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))
    assert found.error_ml == pytest.approx((int(other.sum()) - int(one.sum())) * 0.0022)


def test_nothing_found_where_nothing_is_counts_as_right_and_a_miss_has_no_distance() -> None:
    empty, full = np.zeros((3, 3, 3), np.bool_), np.ones((3, 3, 3), np.bool_)
    spacing = (1.0, 1.0, 1.0)
    both = overlap_of(empty, empty, spacing=spacing, voxel_ml=1)
    assert (both.dice, both.hd95_mm, both.error_ml, both.error_percent) == (1.0, 0.0, 0.0, None)
    missed = overlap_of(full, empty, spacing=spacing, voxel_ml=1)
    assert (missed.dice, missed.hd95_mm, missed.error_percent) == (0.0, None, -100.0)


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    inner = np.ones_like(mask)
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~inner
