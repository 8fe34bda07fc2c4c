"""A loaded network: one patch in, the probabilities of its classes out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ainode_models.device import may_use_gpu
from ainode_models.errors import ModelError
from ainode_models.keras.saved_model import description
from ainode_models.keras.settings import KerasSettings
from ainode_models.keras.vocabulary import refuse_code
from ainode_models.lattice import Floats

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Net:
    """A network of one fixed shape."""

    file: Path
    ask: Callable[[Floats], Floats]
    """``(1, *patch, channels)`` to ``(1, *patch, classes)``."""
    parameters: int
    """Trainable or not."""
    place: str
    """Where it computes: ``cpu``, or number and name of the GPU."""

    @classmethod
    def load(cls, file: Path, settings: KerasSettings, channels: int, device: str) -> "Net":
        """Check and load ``file``; raises `PackageError` for what could run code, and for other shapes than settled."""
        refuse_code(description(file), file, custom_layers=settings.custom_layers)
        net = cls._loaded(file, settings, channels, device)
        _log.info("Keras network loaded from %s on %s", file, net.place)
        return net

    @classmethod
    def by_tensorflow(cls, file: Path, settings: KerasSettings, channels: int, device: str) -> "Net":
        """The same, wherever it runs, by TensorFlow itself."""
        from ainode_models.keras.tensorflow_net import TensorFlowNet

        refuse_code(description(file), file, custom_layers=settings.custom_layers)
        made = TensorFlowNet.load(file, settings.patch, channels=channels, classes=len(settings.values), device=device)
        return cls(file, made, made.parameters, made.place)

    @classmethod
    def _loaded(cls, file: Path, settings: KerasSettings, channels: int, device: str) -> "Net":
        if not may_use_gpu(device) and find_spec("openvino"):
            from ainode_models.keras.conversion import NETWORK, converted
            from ainode_models.openvino_network import OpenVinoNetwork

            found = converted(file, settings, channels)
            if found:
                return cls(file, OpenVinoNetwork(found.networks[NETWORK]), found.facts["parameters"], "cpu")
            _log.warning("OpenVINO cannot convert %s: TensorFlow runs it, slower", file)
        return cls.by_tensorflow(file, settings, channels, device)

    def probabilities(self, patch: Floats) -> Floats:
        """For channels ``(channels, *patch)``: ``(classes, *patch)``, which sum to 1 at every point.

        Raises `ModelError` when they do not: the network ends with something else than softmax.
        """
        answer = self.ask(np.ascontiguousarray(np.moveaxis(patch, 0, -1)[None]))[0]
        probabilities: Floats = np.moveaxis(answer, -1, 0).astype(np.float32)
        if not np.allclose(probabilities.sum(axis=0), 1, atol=1e-3):
            raise ModelError(f"{self.file}: the probabilities do not sum to 1; end the network with softmax")
        return probabilities
