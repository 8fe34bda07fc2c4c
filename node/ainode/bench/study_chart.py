"""What `StudyBench` measured as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#d55e00", "#7f7f7f")
"""Of Okabe and Ito, for people who do not see all colours."""
_DPI = 120
_CHARACTERS = 120


def draw(
    file: Path,
    phases: Mapping[str, float],
    overheads: Sequence[float],
    at_once: Mapping[int, Sequence[float]],
    *,
    goal: float,
    title: str,
    note: str,
) -> None:
    """Above: medians of the parts of the overhead, s. Below: every study's overhead, and its time among others, s.

    ``note`` stands at the foot.
    """
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1, 2))
    _parts(above, phases)
    left, right = below.get_subplotspec().subgridspec(1, 2, width_ratios=(1, 2)).subplots()
    below.remove()
    _points(left, {1: overheads})
    left.axhline(goal, color="0.5", linestyle="--")
    left.text(0.98, goal, f"goal {goal:g} s ", ha="right", va="bottom", transform=left.get_yaxis_transform())
    left.set(title="overhead of one study", ylabel="s", ylim=(0, 1.15 * max(goal, *overheads)), xticks=[])
    _points(right, at_once)
    right.set(title="until SEG and SR are found, without the quiet time", ylabel="s", xlabel="studies at once")
    right.set_ylim(bottom=0)
    figure.suptitle(title)
    figure.supxlabel(fill(note, _CHARACTERS), fontsize="small")
    FigureCanvasAgg(figure)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=_DPI)


def _parts(axes: Axes, phases: Mapping[str, float]) -> None:
    for place, seconds in enumerate(phases.values()):
        axes.barh(place, seconds, color=_COLOURS[place % len(_COLOURS)])
        axes.text(max(seconds, 0), place, f" {seconds:.2f}", va="center")
    axes.set_yticks(range(len(phases)), list(phases))
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.axvline(0, color="0.7", linewidth=0.8)
    axes.set(title="parts of the overhead, median of each", xlabel="s")


def _points(axes: Axes, values: Mapping[int, Sequence[float]]) -> None:
    axes.boxplot(list(values.values()), tick_labels=[str(count) for count in values], showfliers=False, widths=0.5)
    for place, each in enumerate(values.values(), 1):
        axes.plot([place + 0.3 * (n / max(1, len(each) - 1) - 0.5) for n in range(len(each))], each, ".", alpha=0.6)
    axes.grid(axis="y", color="0.9")
