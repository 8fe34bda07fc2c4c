"""Whether a picture looks like a frontal chest, and whether air is dark in it.

A small net says so that has learnt from drawings of chests and of other things (`ainode_models.demo.gate_train`, which
says where `ENOUGH` comes from). Limits, measured there and by tests/test_models_cxr_gate.py: it knows neither left from
right nor front from back.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ainode_models.cxr.ask import Ask, Pictures
from ainode_models.cxr.net_input import resized

SIDE = 64
"""Rows and columns that the net gets."""
OTHER, CHEST, NEGATIVE = range(3)
"""Its answers."""
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


def by_torch(pictures: Pictures) -> NDArray[np.float32]:
    """Ask the net that comes along, by torch on the CPU."""
    from ainode_models.cxr.frontal_net import frontal_net
    from ainode_models.cxr.torch_nets import asked

    return asked(frontal_net())(pictures)


def likeness(pixels: NDArray[np.float32], ask: Ask = by_torch) -> Likeness:
    """Look at ``pixels`` (rows, columns), of any size, with a `FrontalNet`."""
    answers = softmax(ask(looks(pixels)).astype(np.float64), axis=1).mean(axis=0)
    return Likeness(float(answers[CHEST]), float(answers[NEGATIVE]))


def looks(pixels: NDArray[np.float32]) -> Pictures:
    """The picture whole and without each of its corners, as it is and mirrored: ``(10, 1, 64, 64)``."""
    low, high = np.percentile(pixels, _RANGE)
    clipped = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    rows, columns = (max(1, round(size * _CUT)) for size in pixels.shape)
    cuts = [clipped, *(part[:, side] for part in (clipped[rows:], clipped[:-rows]) for side in _sides(columns))]
    small = np.concatenate([resized(cut, SIDE) for cut in cuts])
    return np.concatenate([small, small[..., ::-1]])


def _sides(columns: int) -> tuple[slice, slice]:
    return slice(columns, None), slice(None, -columns)
