"""What `ModelBench` measured as a picture."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ainode.bench.model_bench import FRAMEWORK, Measured
from ainode.bench.timed import Timed
from ainode.bench.users import Served

_OURS, _THEIRS = "#0072b2", "#e69f00"
"""Of Okabe and Ito, for people who do not see all colours."""
_DPI = 120
_CHARACTERS = 120
_TITLE_CHARACTERS = 85


def draw(file: Path, measured: Measured, *, title: str, framework: str | None, note: str) -> None:
    """Seconds of each way to run the model, and cases per second for so many users; ``note`` stands below."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _ways(left, measured.ways, framework)
    _users(right, measured.users)
    figure.suptitle(fill(title, _TITLE_CHARACTERS))
    figure.supxlabel(fill(note, _CHARACTERS), fontsize="small")
    FigureCanvasAgg(figure)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=_DPI)


def _ways(axes: Axes, ways: Mapping[str, Timed], framework: str | None) -> None:
    for place, (name, timed) in enumerate(ways.items()):
        seconds = median(timed.seconds)
        axes.barh(place, seconds, color=_THEIRS if name == FRAMEWORK else _OURS)
        axes.text(seconds, place, f" {seconds:.2f} s, {timed.peak_mb / 1000:.1f} GB", va="center")
    names = [framework or name if name == FRAMEWORK else name.replace("_", " ") for name in ways]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.45 * max(median(timed.seconds) for timed in ways.values()))
    axes.set(title="one case, warm; memory at its peak", xlabel="s")


def _users(axes: Axes, users: Mapping[int, Served]) -> None:
    rates = [seen.cases_per_s for seen in users.values()]
    places = range(len(users))
    axes.bar(places, rates, color=_OURS)
    for place, rate in zip(places, rates, strict=True):
        axes.text(place, rate, f"{rate:.2f}", ha="center", va="bottom")
    axes.set_xticks(places, [str(count) for count in users])
    axes.set_ylim(0, 1.15 * max(rates, default=1) or 1)
    axes.set(title="cases per second", xlabel="users at once")
