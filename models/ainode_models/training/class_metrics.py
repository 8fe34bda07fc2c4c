"""How good a classifier is on images of which the classes are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from ainode_models.training.interval import Interval, auc_interval, f1_interval, mean_interval, resampled_weights

_CURVE_POINTS = 500


@dataclass(frozen=True)
class Answers:
    """What a classifier said of images, and the truth."""

    classes: tuple[str, ...]
    truth: NDArray[np.intp]
    """Place of the true class of each image, from 0."""
    probabilities: NDArray[np.float64]
    """``(images, classes)``."""
    thresholds: tuple[float, ...]
    """Of each class, from which probability on the package calls it present."""
    refer_from: tuple[float, ...]
    """Of each class, from which probability on the package refers to a human."""
    patients: NDArray[np.intp]
    """A number for each image, the same for one patient."""
    strata: tuple[Mapping[str, str], ...]
    """Of each image, what is known of ``sex``, ``age``, ``site`` and ``view``."""

    @property
    def best(self) -> NDArray[np.intp]:
        """The class of the highest probability, of each image."""
        return np.asarray(self.probabilities.argmax(axis=1), np.intp)


@dataclass(frozen=True)
class ClassFigures:
    """One class against all others; an image is said to be of the class of the highest probability."""

    images: int
    accuracy: Interval
    precision: Interval
    recall: Interval
    specificity: Interval
    f1: Interval
    auc: Interval
    average_precision: float | None
    brier: float
    """Mean squared difference of the probability from 0 or 1."""
    threshold: float
    refer_from: float
    recall_at_threshold: float | None
    """Share of the images of the class whose probability reaches the package's threshold."""
    specificity_at_threshold: float | None
    referred: float
    """Share of all images whose probability lies in the band for which a human must decide."""


@dataclass(frozen=True)
class ClassifierFigures:
    """A classifier as a whole."""

    images: int
    patients: int
    accuracy: Interval
    balanced_accuracy: float
    """Mean of the recall of the classes that occur."""
    macro_f1: float
    macro_auc: float | None
    by_class: Mapping[str, ClassFigures]


@dataclass(frozen=True)
class Curve:
    """ROC (x: 1 - specificity, y: recall) or precision-recall (x: recall, y: precision) of one class."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    area: float | None


def figures_of(answers: Answers, *, seed: int) -> ClassifierFigures:
    """All figures; the intervals by resampling patients."""
    weights = resampled_weights(answers.patients, seed=seed)
    right = (answers.best == answers.truth).astype(np.float64)
    by_class = {name: _class_figures(answers, number, weights) for number, name in enumerate(answers.classes)}
    occurring = [each for each in by_class.values() if each.images]
    return ClassifierFigures(
        images=len(right),
        patients=len(np.unique(answers.patients)),
        accuracy=mean_interval(right, weights),
        balanced_accuracy=_mean([each.recall.value for each in occurring]) or 0.0,
        macro_f1=_mean([each.f1.value for each in occurring]) or 0.0,
        macro_auc=_mean([each.auc.value for each in occurring]),
        by_class=by_class,
    )


def confusion_of(answers: Answers) -> NDArray[np.intp]:
    """Counts, a row for each true and a column for each answered class."""
    return np.asarray(confusion_matrix(answers.truth, answers.best, labels=range(len(answers.classes))), np.intp)


def roc_of(answers: Answers, number: int) -> Curve | None:
    """The ROC curve of a class; None when all or no images are of it."""
    truth, scores = answers.truth == number, answers.probabilities[:, number]
    if truth.all() or not truth.any():
        return None
    x, y, _ = roc_curve(truth, scores)
    return Curve(*_thinned(x, y), area=float(np.trapezoid(y, x)))


def precision_recall_of(answers: Answers, number: int) -> Curve | None:
    """The precision-recall curve of a class, with its average precision as area; None when no image is of it."""
    truth, scores = answers.truth == number, answers.probabilities[:, number]
    if not truth.any():
        return None
    precision, recall, _ = precision_recall_curve(truth, scores)
    return Curve(*_thinned(recall, precision), area=float(-np.sum(np.diff(recall) * precision[:-1])))


def _class_figures(answers: Answers, number: int, weights: NDArray[np.float64]) -> ClassFigures:
    truth, said = answers.truth == number, answers.best == number
    scores = answers.probabilities[:, number]
    reached = scores >= answers.thresholds[number]
    curve = precision_recall_of(answers, number)
    return ClassFigures(
        images=int(truth.sum()),
        accuracy=mean_interval((truth == said).astype(np.float64), weights),
        precision=_share(truth, said, weights),
        recall=_share(said, truth, weights),
        specificity=_share(~said, ~truth, weights),
        f1=f1_interval(said, truth, weights),
        auc=auc_interval(scores, truth, weights),
        average_precision=None if curve is None else curve.area,
        brier=float(np.mean((scores - truth) ** 2)),
        threshold=answers.thresholds[number],
        refer_from=answers.refer_from[number],
        recall_at_threshold=_share(reached, truth, weights).value,
        specificity_at_threshold=_share(~reached, ~truth, weights).value,
        referred=float(np.mean((scores >= answers.refer_from[number]) & ~reached)),
    )


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_], weights: NDArray[np.float64]) -> Interval:
    """How many of ``whole`` are also of ``part``."""
    return mean_interval(np.where(whole, part, np.nan), weights)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """At most 500 points of a curve, its ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _CURVE_POINTS)).astype(np.intp))
    return tuple(x[kept].tolist()), tuple(y[kept].tolist())
