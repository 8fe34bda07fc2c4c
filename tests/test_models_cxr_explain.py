"""LIME finds what decides, within its budget; the overlay shows where, and leaves the rest grey."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ainode_models.cxr.lime import lime
from ainode_models.cxr.overlay import overlay
from ainode_models.cxr.settings import LimeSettings
from ainode_models.demo.chest import chest_phantom
from ainode_models.findings import Heatmap
from ainode_models.radiograph import Radiograph

GREY = np.random.default_rng(0).uniform(0.2, 0.8, (224, 224)).astype(np.float32)
GREY[140:200, 30:90] += 0.2


def bright_corner(pictures: NDArray[np.float32]) -> NDArray[np.float64]:
    """Two classes: how bright the lower left is, and the opposite."""
    bright = np.clip((pictures[:, 140:200, 30:90].mean(axis=(1, 2)) - 0.5) * 4, 0, 1).astype(np.float64)
    return np.stack([bright, 1 - bright], axis=1)


def test_lime_finds_what_decides() -> None:
    answer = lime(GREY, bright_corner, limits=LimeSettings(3600, 200), clock=lambda: 0.0)
    assert answer.samples == 200
    assert answer.maps.shape == (2, 224, 224)
    assert answer.maps.min() >= 0
    assert answer.maps.max() == 1
    decides, elsewhere = answer.maps[0, 145:195, 35:85].mean(), answer.maps[0, :110].mean()
    assert decides > 10 * elsewhere
    assert answer.maps[1, 145:195, 35:85].mean() < 0.05, "what speaks against a class is no reason for it"


def test_lime_ends_with_its_time_but_never_without_samples() -> None:
    times = iter([0.0, 1.0, 2.5])
    spent = lime(GREY, bright_corner, limits=LimeSettings(2.0, 600), clock=lambda: next(times))
    assert spent.samples == 17, "the picture itself, and the batches that began in time"
    late = iter([0.0, 99.0])
    assert lime(GREY, bright_corner, limits=LimeSettings(2.0, 600), clock=lambda: next(late)).samples == 9


def test_lime_is_the_same_each_time() -> None:
    first, second = (lime(GREY, bright_corner, limits=LimeSettings(60, 60), clock=lambda: 0.0) for _ in range(2))
    np.testing.assert_array_equal(first.maps, second.maps)


@pytest.mark.parametrize("shape", [(2128, 2000), (505, 2021), (300, 250)])
def test_the_overlay_is_coloured_where_the_map_is_high_and_grey_elsewhere(shape: tuple[int, int]) -> None:
    rows = shape[0]
    values = np.zeros(shape, np.float32)
    values[rows // 2 :] = 1
    picture = overlay(
        Radiograph(np.full(shape, 0.5, np.float32)), Heatmap(1, "Grad-CAM", values), title="Lung opacity 91 %"
    )
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert max(picture.shape) <= 1024 + 130
    high, wide = picture.shape[:2]
    colour = np.ptp(picture.astype(int), axis=2)
    body = slice(60, high - 20), slice(wide // 4, wide // 2)
    assert colour[body][: (high - 80) // 3].max() == 0
    assert colour[body][-(high - 80) // 3 :].min() > 30
    assert picture[:40].max() > 200, "the title is drawn"
    assert colour[:, -110:-80].max() > 60, "the bar is drawn"


def test_the_overlay_keeps_the_pixels_of_a_small_radiograph() -> None:
    image = chest_phantom(5, 0).image
    picture = overlay(Radiograph(image), Heatmap(1, "LIME", np.zeros_like(image)), title="Normal")
    rows, columns = image.shape
    shown = picture[-10 - rows : picture.shape[0] - 10, :, 0].astype(float)
    best = max(
        np.corrcoef(image.ravel(), shown[:, left : left + columns].ravel())[0, 1]
        for left in range(picture.shape[1] - 130 - columns + 20)
        if shown[:, left : left + columns].std() > 0
    )
    assert best > 0.999
