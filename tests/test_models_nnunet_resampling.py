"""Matrices resample as nnunetv2's own functions do, whole or a part of an axis at a time."""

from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet
from numpy.typing import NDArray

from ainode_models.errors import PackageError
from ainode_models.nnunet.resampling import Interpolation, Resampling
from ainode_models.nnunet.windows import bell, windows

GRIDS = {
    "finer": ((11, 14, 9), (16, 21, 13), (2.0, 1.5, 1.5), (1.4, 1.0, 1.0)),
    "coarser": ((16, 21, 13), (9, 11, 8), (1.0, 1.0, 1.0), (1.8, 1.9, 1.6)),
    "thick slices": ((6, 20, 22), (9, 15, 17), (6.0, 1.0, 1.0), (4.0, 1.3, 1.3)),
    "thick slices that stay": ((6, 20, 22), (6, 15, 17), (6.0, 1.0, 1.0), (6.0, 1.3, 1.3)),
    "thick the other way": ((20, 7, 22), (15, 12, 17), (1.0, 5.0, 1.0), (1.3, 3.0, 1.3)),
    "thick after": ((9, 15, 17), (6, 20, 22), (4.0, 1.3, 1.3), (6.0, 1.0, 1.0)),
    "one slice": ((1, 20, 22), (2, 15, 17), (6.0, 1.0, 1.0), (4.0, 1.3, 1.3)),
    "the same": ((6, 7, 8), (6, 7, 8), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
}
SPLINES: list[dict[str, Any]] = [
    {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
    {"is_seg": False, "order": 3, "order_z": 1, "force_separate_z": None},
    {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": False},
    {"is_seg": False, "order": 0},
]
LINEAR: list[dict[str, Any]] = [
    {"is_seg": False, "force_separate_z": None},
    {"is_seg": False, "force_separate_z": False},
]
CASES: list[tuple[str, dict[str, Any]]] = [("resample_data_or_seg_to_shape", each) for each in SPLINES] + [
    ("resample_torch_fornnunet", each) for each in LINEAR
]
FUNCTIONS = {each.__name__: each for each in (resample_data_or_seg_to_shape, resample_torch_fornnunet)}


def case(grid: str, function: str, arguments: dict[str, Any]) -> tuple[NDArray[np.float32], Any, Resampling]:
    """Noise of two channels, what nnunetv2 makes of it, and our way."""
    before, after, spacing, wanted = GRIDS[grid]
    image = np.random.default_rng(3).normal(size=(2, *before)).astype(np.float32)
    expected = FUNCTIONS[function](image.copy(), after, spacing, wanted, **arguments)
    how = Interpolation.of(function, arguments)
    return image, expected, Resampling.between(how, before, after, spacing=spacing, wanted=wanted)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("function", "arguments"), CASES)
def test_the_whole_image(grid: str, function: str, arguments: dict[str, Any]) -> None:
    image, expected, ours = case(grid, function, arguments)
    np.testing.assert_allclose(ours.clipped(image), expected, atol=1e-5)
    np.testing.assert_allclose(ours.clipped(torch.from_numpy(image)).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_part_of_an_axis_is_that_part_of_the_whole(grid: str, axis: int) -> None:
    image, whole, ours = case(grid, "resample_data_or_seg_to_shape", SPLINES[1])
    size = whole.shape[axis + 1]
    for start in range(0, size, 4):
        stop = min(start + 4, size)
        part, needed = ours.part(axis, start, stop)
        index: list[slice] = [slice(None)] * 4
        index[axis + 1] = needed
        made = part.apply(image[tuple(index)])
        np.testing.assert_allclose(
            made, np.moveaxis(np.moveaxis(whole, axis + 1, 0)[start:stop], 0, axis + 1), atol=1e-5
        )


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("resample_by_guessing", {}), ("resample_torch_fornnunet", {"mode": "bicubic"}), (CASES[0][0], {"is_seg": True})],
)
def test_what_is_not_known_is_refused(function: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(PackageError, match="resampling by"):
        Interpolation.of(function, arguments)


@pytest.mark.parametrize(
    ("size", "patch", "step"),
    [((40, 33, 64), (16, 16, 16), 0.5), ((16, 20, 31), (16, 16, 16), 0.75), ((128, 160, 128), (128, 128, 128), 0.5)],
)
def test_windows_lie_and_weigh_as_in_nnunetv2(size: tuple[int, ...], patch: tuple[int, ...], step: float) -> None:
    steps = compute_steps_for_sliding_window(size, patch, step)
    corners = [tuple(part.start for part in window) for window in windows(size, patch, step)]
    assert corners == [(x, y, z) for x in steps[0] for y in steps[1] for z in steps[2]]
    weights = compute_gaussian(patch, sigma_scale=1 / 8, value_scaling_factor=10, device=torch.device("cpu"))
    np.testing.assert_array_equal(bell(patch), weights.numpy())


def test_a_flat_window_goes_over_each_slice() -> None:
    places = windows((3, 20, 16), (16, 16), 0.5)
    assert [(place[0].start, place[1].start, place[2].start) for place in places] == [
        (slice_, row, 0) for slice_ in range(3) for row in (0, 4)
    ]
    assert {tuple(part.stop - part.start for part in place) for place in places} == {(1, 16, 16)}
