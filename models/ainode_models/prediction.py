"""The raw answer of a runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ainode_models.findings import Heatmap


@dataclass(frozen=True)
class Prediction:
    """A label for each voxel of the input."""

    label_map: NDArray[np.uint8]
    """``(slices, rows, columns)`` on the grid of the volumes that were given."""
    parameters: int | None = field(default=None, kw_only=True)
    """Of the networks that made it, see `ainode_models.offered.Counted`; None where their runtime does not say."""
    confidence: Mapping[int, float]
    """Mean probability that the model gives a label over the voxels that it labelled so; absent labels lack."""
    remarks: tuple[str, ...] = ()
    """What was done otherwise than asked, for readers."""
    probabilities: NDArray[np.float16] | None = None
    """``(labels, slices, rows, columns)``, when they were asked for: of each label of the package, in the order of
    their values, at each voxel. Labels that the network learnt as overlapping regions need not sum up to 1."""
    lacking: tuple[str, ...] = field(default=(), kw_only=True)
    """What was asked for beside it and could not be made, with why, for readers."""
    device: str = ""
    """Where it was computed: ``cpu``, or number and name of a GPU such as ``cuda:0 NVIDIA H200``; ``in bf16`` stands
    behind it when it was in such numbers. Empty when the runtime does not say: where it was loaded to."""


@dataclass(frozen=True)
class Classification:
    """A probability for each class of one image."""

    probabilities: Mapping[int, float]
    """Of each class of the package, by its number; 0 to 1."""
    members: Mapping[str, Mapping[int, float]]
    """The same by each net of an ensemble, by its name; empty for a single net."""
    parameters: int | None = field(default=None, kw_only=True)
    """As `Prediction.parameters`."""
    heatmaps: tuple[Heatmap, ...] = ()
    """Those that were asked for."""
    remarks: tuple[str, ...] = ()
    """What was done otherwise than asked, for readers."""
    lacking: tuple[str, ...] = field(default=(), kw_only=True)
    """As `Prediction.lacking`."""
    device: str = ""
    """As `Prediction.device`."""
    rounded: bool = False
    """Whether it was computed with shorter numbers than fp32, as ``device`` says: probabilities may be off by 0.01."""
    doubtful: bool = False
    """Whether the image hardly is what the model is made for: a human must decide on every class."""
