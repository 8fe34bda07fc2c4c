"""A heat map over its X-ray, as a picture for people."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.findings import Heatmap
from ainode_models.radiograph import Radiograph

_LONGEST = 1024
"""Pixels of the longer side of the X-ray within the picture."""
_OPACITY = 0.55
"""Of the map where it is 1; nothing of it shows where it is 0."""
_COLOURS = "inferno"
_DPI = 100


def overlay(radiograph: Radiograph, heatmap: Heatmap, *, title: str) -> NDArray[np.uint8]:
    """X-ray and map with ``title`` above (class and probability) and a bar of colours: ``(rows, columns, 3)`` sRGB.

    The picture is larger than the X-ray, which is brought to at most 1024 pixels a side. Needs matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    blended = _blend(radiograph.pixels, heatmap.values)
    rows, columns = blended.shape[:2]
    height, width = rows + 60, max(columns, 320) + 130
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="black")
    axes = figure.add_axes((10 / width, 10 / height, (width - 140) / width, rows / height))
    axes.imshow(blended, interpolation="nearest")
    axes.set_axis_off()
    figure.text(0.5, 1 - 28 / height, title, color="white", ha="center", va="center", fontsize=_fitting(title, width))
    _colour_bar(figure, (width - 110) / width, 10 / height, 24 / width, rows / height, label=heatmap.method)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _blend(pixels: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The X-ray in grey, the map in colour over it, stronger where it is higher."""
    from matplotlib import colormaps

    step = max(1, -(-max(pixels.shape) // _LONGEST))
    grey, heat = (_shrunk(each, step) for each in (pixels, values))
    share = (_OPACITY * heat)[..., None]
    colour = colormaps[_COLOURS](0.25 + 0.75 * heat)[..., :3]
    return np.asarray(np.clip(grey[..., None] * (1 - share) + colour * share, 0, 1), dtype=np.float32)


def _shrunk(array: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Mean of blocks of ``step`` x ``step``; what does not fill a block at the edge is cut off."""
    rows, columns = (max(size // step, 1) for size in array.shape)
    whole = array[: rows * step, : columns * step]
    return np.asarray(whole.reshape(rows, whole.shape[0] // rows, columns, -1).mean(axis=(1, 3)))


def _colour_bar(figure: Any, left: float, bottom: float, width: float, height: float, *, label: str) -> None:
    from matplotlib import colormaps

    axes = figure.add_axes((left, bottom, width, height))
    ramp = colormaps[_COLOURS](0.25 + 0.75 * np.linspace(1, 0, 256))[:, None, :3]
    axes.imshow(ramp, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(colors="white", labelsize=8)
    axes.set_ylabel(label, color="white", fontsize=9)
    axes.yaxis.set_label_position("right")


def _fitting(title: str, width: int) -> float:
    """Points at which about so many letters fit the width."""
    return float(np.clip(width / max(len(title), 1) * 1.1, 5, 12))
