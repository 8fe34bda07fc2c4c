"""Pictures of figures: matplotlib without a display and without state."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ainode_models.training.calibration import Calibration
from ainode_models.training.class_metrics import Curve
from ainode_models.training.fit import History
from ainode_models.training.subgroups import Subgroups

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")
"""Of Okabe and Ito, for people who do not see all colours."""
_DPI = 120


def draw_confusion(file: Path, counts: NDArray[np.intp], classes: Sequence[str]) -> None:
    """Counts in the cells, the share of the true class as colour."""
    figure, axes = _blank((1.6 + 1.1 * len(classes), 1.2 + 1.0 * len(classes)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        said = f"{count}\n{shares[row, column]:.0%}"
        axes.text(column, row, said, ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black")
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=30, ha="right")
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="answered", ylabel="true", title="Confusion matrix")
    _save(figure, file)


def draw_roc(file: Path, curves: Mapping[str, Curve]) -> None:
    """One line for each class."""
    figure, axes = _square("1 - specificity", "recall (sensitivity)", "ROC, each class against the others")
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    _lines(axes, curves, "AUC")
    _save(figure, file)


def draw_precision_recall(file: Path, curves: Mapping[str, Curve]) -> None:
    """One line for each class."""
    figure, axes = _square("recall (sensitivity)", "precision", "Precision and recall, each class against the others")
    _lines(axes, curves, "AP")
    _save(figure, file)


def draw_calibration(file: Path, calibration: Calibration) -> None:
    """Reliability diagram, and below it how many images each bin has."""
    figure = Figure(figsize=(5, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = [each for each in calibration.bins if each.images]
    title = f"Calibration: ECE {calibration.expected_error:.3f}, Brier {calibration.brier:.3f}"
    above.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    points = [(each.confidence or 0.0, each.accuracy or 0.0) for each in bins]
    above.plot(*zip(*points, strict=True), "o-", color=_COLOURS[0])
    above.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(0, 1), title=title)
    below.bar([each.low for each in bins], [each.images for each in bins], width=0.1, align="edge", color=_COLOURS[0])
    below.set(xlabel="probability of the best class", ylabel="images")
    _save(figure, file)


def draw_subgroups(file: Path, subgroups: Subgroups) -> None:
    """Accuracy of each subgroup with its interval."""
    rows = [(f"{key}: {value} (n={each.images})", each) for key, of in subgroups.items() for value, each in of.items()]
    figure, axes = _blank((7, 1.2 + 0.35 * len(rows)))
    for place, (_, each) in enumerate(rows):
        accuracy = each.accuracy
        if accuracy.low is not None:
            axes.plot([accuracy.low, accuracy.high or 1.0], [place, place], color=_COLOURS[0])
        axes.plot([accuracy.value or 0.0], [place], "o", color=_COLOURS[0])
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set(xlim=(-0.02, 1.02), xlabel="accuracy, 95 % interval", title="Subgroups")
    axes.grid(axis="x", color="0.9")
    _save(figure, file)


def draw_losses(file: Path, histories: Mapping[str, History]) -> None:
    """Loss on training (dashed) and validation images (solid) by epoch, with the epoch that was kept."""
    figure, axes = _blank((7, 4.5))
    for (name, history), colour in zip(histories.items(), _COLOURS, strict=False):
        epochs = np.arange(1, len(history.training_loss) + 1)
        axes.plot(epochs, history.training_loss, "--", color=colour)
        axes.plot(epochs, history.validation_loss, "-", color=colour, label=name)
        axes.plot([history.best + 1], [history.validation_loss[history.best]], "o", color=colour)
    axes.set(xlabel="epoch", ylabel="cross entropy", title="Loss: training dashed, validation solid, kept epoch marked")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    _save(figure, file)


def draw_boxes(file: Path, panels: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
    """One panel for each measure, in it one box for each label with its cases as points; NaN is left out."""
    figure = Figure(figsize=(1.5 + 3.2 * len(panels), 4.5), layout="constrained")
    for axes, (measure, by_label) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        known = [values[np.isfinite(values)] for values in by_label.values()]
        axes.boxplot(known, tick_labels=list(by_label), showfliers=False, medianprops={"color": _COLOURS[1]})
        for place, values in enumerate(known, 1):
            axes.plot(place + np.linspace(-0.12, 0.12, len(values)), values, ".", color=_COLOURS[0], alpha=0.6)
        axes.set_title(measure)
        axes.tick_params(axis="x", rotation=30)
        axes.grid(axis="y", color="0.9")
    _save(figure, file)


def _lines(axes: Axes, curves: Mapping[str, Curve], area: str) -> None:
    for (name, curve), colour in zip(curves.items(), _COLOURS * (1 + len(curves) // len(_COLOURS)), strict=False):
        axes.plot(curve.x, curve.y, color=colour, label=f"{name} ({area} {curve.area:.3f})")
    if curves:
        axes.legend(loc="lower center")


def _square(x: str, y: str, title: str) -> tuple[Figure, Axes]:
    figure, axes = _blank((5.5, 5.5))
    axes.set(xlabel=x, ylabel=y, title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    return figure, axes


def _blank(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def _save(figure: Figure, file: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(file, dpi=_DPI)
