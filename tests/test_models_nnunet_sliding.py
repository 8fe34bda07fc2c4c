"""Windows over an image: those that are the same are asked once, and the answer is the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ainode_models.nnunet import sliding
from ainode_models.nnunet.engine import Engine
from ainode_models.nnunet.sliding import Sliding
from peers.nnunet_results import loaded, one, one_thread, package_of, write_result


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with one_thread(monkeypatch):
        yield


class CountingEngine:
    """An engine that counts the windows that it is asked for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, windows: NDArray[np.float32]) -> Any:
        """As the engine."""
        self.asked += len(windows)
        return self._engine.run(windows)


@pytest.fixture
def network(tmp_path: Path) -> Sliding:
    """With windows of 16 voxels in each direction, 8 apart, not mirrored."""
    write_result(tmp_path / "net", "3d_fullres")
    runtime = loaded(package_of(tmp_path, one("net")))
    assert runtime._loaded
    return runtime._loaded.networks[0].sliding


def _counted(network: Sliding, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    counting = CountingEngine(network.engine)
    network.engine = counting
    logits: NDArray[np.float32] = network.logits(image)
    network.engine = counting._engine
    return logits, counting.asked


def test_windows_of_one_value_are_asked_once(network: Sliding, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((1, 16, 16, 48), -0.5, dtype=np.float32)  # five windows along the columns
    image[..., :8] = np.random.default_rng(1).normal(size=(16, 16, 8))
    image[..., 40:] = 0.25
    logits, asked = _counted(network, image)
    assert asked == 3  # the first with noise, three of one value for one, the last with two values
    with monkeypatch.context() as each:
        each.setattr(sliding, "_lone_values", lambda _window: None)
        expected, every = _counted(network, image)
    assert every == 5
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_windows_of_different_single_values_are_each_asked(network: Sliding) -> None:
    image = np.zeros((1, 16, 16, 32), dtype=np.float32)
    image[..., 16:] = 1
    assert _counted(network, image)[1] == 3
