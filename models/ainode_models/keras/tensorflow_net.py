"""A network by TensorFlow itself: on a GPU, or on a CPU without OpenVINO."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ainode_models.errors import PackageError, RuntimeUnavailable
from ainode_models.keras.saved_model import description
from ainode_models.keras.vocabulary import aliases
from ainode_models.lattice import Floats


@dataclass(frozen=True)
class TensorFlowNet:
    """A network of one fixed shape, from a file that `ainode_models.keras.vocabulary` found harmless."""

    model: Any
    """``keras.Model``."""
    device: str
    """TensorFlow's name: ``/CPU:0`` or ``/GPU:0``."""

    @classmethod
    def load(cls, file: Path, patch: tuple[int, ...], *, channels: int, classes: int, device: str) -> "TensorFlowNet":
        """Raises `PackageError` for a file that Keras cannot load, and for other shapes than settled."""
        place = _place(device)
        net = cls(_load(file, aliases(description(file)), place), place)
        wanted, answer = (*patch, channels), (*patch, classes)
        for what, shape, expected in (
            ("input", net.model.input_shape, wanted),
            ("output", net.model.output_shape, answer),
        ):
            if not _fits(shape, expected):
                raise PackageError(
                    f"{file}: {what} has the shape {shape}, but model.toml asks for {(1, *expected)} "
                    "([keras] patch, then [[input]] or values); correct one of them"
                )
        return net

    def __call__(self, patch: Floats) -> Floats:
        """The answer ``(1, *patch, classes)`` to ``(1, *patch, channels)``."""
        import tensorflow as tf

        with tf.device(self.device):
            return np.asarray(self.model(tf.constant(patch), training=False).numpy())

    @property
    def parameters(self) -> int:
        """Trainable or not."""
        return int(self.model.count_params())

    @property
    def place(self) -> str:
        """Where it computes: ``cpu``, or number and name of the GPU."""
        import tensorflow as tf

        if self.device == "/CPU:0":
            return "cpu"
        card = tf.config.list_physical_devices("GPU")[0]
        return f"cuda:0 {tf.config.experimental.get_device_details(card).get('device_name', '')}".strip()


def _fits(shape: Any, expected: tuple[int, ...]) -> bool:
    """Whether ``shape`` is one tensor's, of any or one image, whose sizes are open or as ``expected``."""
    if not isinstance(shape, tuple) or len(shape) != 1 + len(expected):
        return False
    return all(size in (None, wanted) for size, wanted in zip(shape, (1, *expected), strict=True))


def _place(device: str) -> str:
    """TensorFlow's name of ``device``; TensorFlow takes memory of a GPU as it needs it, and of none for ``cpu``."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    cards = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
    if device == "cuda" and not cards:
        raise RuntimeUnavailable("device 'cuda' was asked for, but TensorFlow finds no GPU; use cpu or auto")
    for card in cards:
        tf.config.experimental.set_memory_growth(card, True)
    return "/GPU:0" if cards else "/CPU:0"


def _load(file: Path, names: Any, place: str) -> Any:
    import keras
    import tensorflow as tf

    from ainode_models.keras.layers import custom_objects

    try:
        with tf.device(place):
            return keras.models.load_model(file, custom_objects=custom_objects(names), compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as exc:
        reason = str(exc).splitlines()[0][:300]
        raise PackageError(
            f"{file}: Keras {keras.__version__} cannot load it: {reason}; save the network again"
        ) from exc
