"""Whether a picture looks like a frontal chest, and whether air is dark in it.

A small net says so that has learnt from drawings of chests and of other things (`ainode_models.demo.gate_train`, which
says where `ENOUGH` comes from). Limits, measured there and by tests/test_models_cxr_gate.py: it knows neither left from
right nor front from back.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from ainode_models.cxr.frontal_net import FrontalNet

ENOUGH = 0.6
"""Probability from which on a picture looks like a chest: 296 of 300 drawn ones do, none of 400 of other things."""
WEIGHTS = Path(__file__).with_name("frontal.pth")

_RANGE = (1, 99)
"""Percentiles of the grey values between which a picture is looked at; borders and letters lie outside."""
_CUT = 0.06
"""Part of the sides that is cut off at each corner in turn: one look can err more easily than ten."""


@dataclass(frozen=True)
class Likeness:
    """Probabilities, 0 to 1, that a picture is a frontal chest; what is left is that it is something else."""

    upright: float
    """The right way round: air is dark."""
    inverted: float
    """As a negative: air is bright."""

    @property
    def is_negative(self) -> bool:
        """Whether the picture looks more like the negative of a chest than like one."""
        return self.inverted > self.upright

    @property
    def is_chest(self) -> bool:
        """Whether it looks like a frontal chest, either way."""
        return max(self.upright, self.inverted) >= ENOUGH


def likeness(pixels: NDArray[np.float32]) -> Likeness:
    """Look at ``pixels`` (rows, columns), of any size."""
    import torch

    from ainode_models.cxr.frontal_net import CHEST, NEGATIVE

    with torch.inference_mode():
        answers = _net()(looks(pixels)).softmax(dim=1).mean(dim=0)
    return Likeness(float(answers[CHEST]), float(answers[NEGATIVE]))


def looks(pixels: NDArray[np.float32]) -> "torch.Tensor":
    """The picture whole and without each of its corners, as it is and mirrored: ``(10, 1, 64, 64)``."""
    import torch

    from ainode_models.cxr.frontal_net import SIDE
    from ainode_models.cxr.net_input import resized

    low, high = np.percentile(pixels, _RANGE)
    clipped = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    rows, columns = (max(1, round(size * _CUT)) for size in pixels.shape)
    cuts = [clipped, *(part[:, side] for part in (clipped[rows:], clipped[:-rows]) for side in _sides(columns))]
    small = torch.cat([resized(cut, SIDE) for cut in cuts])
    return torch.cat([small, small.flip(-1)])


def _sides(columns: int) -> tuple[slice, slice]:
    return slice(columns, None), slice(None, -columns)


@cache
def _net() -> "FrontalNet":
    import torch

    from ainode_models.cxr.frontal_net import FrontalNet

    net = FrontalNet()
    net.load_state_dict(torch.load(WEIGHTS, map_location="cpu", weights_only=True))
    return net.eval()
