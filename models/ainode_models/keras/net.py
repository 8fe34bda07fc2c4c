"""A loaded network: one patch in, the probabilities of its classes out."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ainode_models.errors import ModelError, PackageError, RuntimeUnavailable
from ainode_models.keras.saved_model import description
from ainode_models.keras.settings import KerasSettings
from ainode_models.keras.vocabulary import aliases, refuse_code
from ainode_models.lattice import Floats

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Net:
    """A network of one fixed shape."""

    file: Path
    model: Any
    """``keras.Model``."""
    device: str
    """TensorFlow's name: ``/CPU:0`` or ``/GPU:0``."""

    @classmethod
    def load(cls, file: Path, settings: KerasSettings, *, channels: int, device: str) -> "Net":
        """Check and load ``file``; raises `PackageError` for what could run code, and for other shapes than settled."""
        config = description(file)
        refuse_code(config, file, custom_layers=settings.custom_layers)
        place = _place(device)
        net = cls(file, _load(file, aliases(config), place), place)
        net._check((*settings.patch, channels), (*settings.patch, len(settings.values)))
        _log.info("Keras network loaded from %s on %s", file, place)
        return net

    def probabilities(self, patch: Floats) -> Floats:
        """For channels ``(channels, *patch)``: ``(classes, *patch)``, which sum to 1 at every point.

        Raises `ModelError` when they do not: the network ends with something else than softmax.
        """
        import tensorflow as tf

        with tf.device(self.device):
            answer = self.model(tf.constant(np.moveaxis(patch, 0, -1)[None]), training=False).numpy()[0]
        probabilities: Floats = np.moveaxis(answer, -1, 0).astype(np.float32)
        if not np.allclose(probabilities.sum(axis=0), 1, atol=1e-3):
            raise ModelError(f"{self.file}: the probabilities do not sum to 1; end the network with softmax")
        return probabilities

    @property
    def place(self) -> str:
        """Where it computes: ``cpu``, or number and name of the GPU."""
        import tensorflow as tf

        if self.device == "/CPU:0":
            return "cpu"
        card = tf.config.list_physical_devices("GPU")[0]
        return f"cuda:0 {tf.config.experimental.get_device_details(card).get('device_name', '')}".strip()

    def _check(self, wanted: tuple[int, ...], answer: tuple[int, ...]) -> None:
        for what, shape, expected in (
            ("input", self.model.input_shape, wanted),
            ("output", self.model.output_shape, answer),
        ):
            if not _fits(shape, expected):
                raise PackageError(
                    f"{self.file}: {what} has the shape {shape}, but model.toml asks for {(1, *expected)} "
                    "([keras] patch, then [[input]] or values); correct one of them"
                )


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

    if device not in ("cpu", "cuda", "auto"):
        raise RuntimeUnavailable(f"device {device!r} is not known; use cpu, cuda or auto")
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
