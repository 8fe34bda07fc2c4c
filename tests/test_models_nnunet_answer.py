"""Networks' answers on the grid of the image."""

from typing import Any

import numpy as np
import pytest
import torch

from ainode_models.nnunet.answer import Seen, answer
from ainode_models.nnunet.labels import Heads
from ainode_models.nnunet.preparation import Grids
from ainode_models.nnunet.resampling import Interpolation, Resampling

HEADS = Heads(5, None, (1, 2, 3, 4))
WHOLE, SEEN = (9, 13, 11), (5, 8, 6)  # in the network's axes
CROP = (slice(1, 9), slice(0, 10), slice(2, 11))
LINEAR = Interpolation(spline=True, order=1, across=0, separate=False)


def _seen(transpose: tuple[int, ...], *, flipped: bool) -> Seen:
    cropped = tuple(part.stop - part.start for part in CROP)
    back = Resampling.between(LINEAR, SEEN, cropped, spacing=(2, 2, 2), wanted=(1, 1, 1))
    grids = Grids(WHOLE, CROP, np.ones(cropped, dtype=bool), SEEN, (1, 1, 1), (2, 2, 2))
    logits = np.random.default_rng(7).normal(size=(HEADS.count, *SEEN)).astype(np.float32)
    return Seen(logits, grids, back, transpose, flipped)


@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("flipped", [False, True])
def test_it_is_the_resampled_whole_cut_into_slabs_of_any_size(transpose: tuple[int, ...], *, flipped: bool) -> None:
    seen = _seen(transpose, flipped=flipped)
    back = tuple(transpose.index(axis) for axis in range(3))
    whole: Any = np.transpose(seen.back.apply(seen.logits), (0, *(axis + 1 for axis in back)))
    whole = whole[:, :, ::-1, ::-1] if flipped else whole
    expected = np.zeros([WHOLE[axis] for axis in back], dtype=np.uint8)
    expected[seen.crop] = whole.argmax(axis=0)
    powers = np.exp(whole) / np.exp(whole).sum(axis=0)
    for most in (1, 300, 1000, 1 << 23):
        found = answer([seen], HEADS, size=expected.shape, most=most)
        np.testing.assert_array_equal(found.labels, expected)
        for label in HEADS.foreground:
            assert found.confidence[label] == pytest.approx(powers[label][whole.argmax(axis=0) == label].mean())


def test_of_equal_heads_the_first_decides_in_numpy_and_in_torch() -> None:
    logits = np.array([[0.0, 1.0, 2.0, -1.0], [0.0, 3.0, 2.0, -2.0], [0.0, 3.0, 1.0, -1.0]], np.float32)
    heads = Heads(3, None, (1, 2))
    assert heads.labels(logits).tolist() == heads.labels(torch.from_numpy(logits)).tolist() == [0, 1, 0, 0]
