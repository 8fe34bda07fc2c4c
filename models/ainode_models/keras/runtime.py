"""The runtime for 3-D networks of TensorFlow, in the files that Keras writes.

On a CPU OpenVINO runs them; TensorFlow is imported only for a GPU, or to convert a new model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ainode_models.channels import in_channel_order
from ainode_models.errors import RuntimeUnavailable
from ainode_models.keras.labelling import labelled
from ainode_models.keras.net import Net
from ainode_models.keras.settings import KerasSettings
from ainode_models.keras.view import View, turn_to
from ainode_models.keras.windows import covered
from ainode_models.lattice import Floats
from ainode_models.manifest import Manifest
from ainode_models.orientation import to_canonical
from ainode_models.package import ModelPackage
from ainode_models.prediction import Prediction
from ainode_models.volume import Volume


@dataclass(frozen=True)
class _Loaded:
    manifest: Manifest
    settings: KerasSettings
    net: Net


class KerasRuntime:
    """Runs ``.keras`` and ``.h5`` files of networks ``(1, *patch, channels) -> (1, *patch, classes)``."""

    def __init__(self, *, load: Callable[[Path, KerasSettings, int, str], Net] = Net.load) -> None:
        """``load`` makes the network of file, settings, number of channels and device."""
        self._load = load
        self._loaded: _Loaded | None = None

    def is_available(self) -> str | None:
        """None when TensorFlow is installed, else what to install."""
        return None if find_spec("tensorflow") else "tensorflow not installed; install ainode[tensorflow]"

    def load(self, package: ModelPackage, device: str) -> None:
        """Verify and load ``package``; see `ainode_models.runtime.Runtime.load`."""
        package.verify()
        manifest = package.manifest
        settings = KerasSettings.of(manifest)
        file = package.folder / settings.file
        self._loaded = _Loaded(manifest, settings, self._load(file, settings, len(manifest.inputs), device))

    def predict(self, volumes: Mapping[str, Volume]) -> Prediction:
        """Label ``volumes``; see `ainode_models.runtime.Runtime.predict`."""
        loaded = self._ready()
        settings, net = loaded.settings, loaded.net
        canonical, turns = zip(
            *(to_canonical(each) for each in in_channel_order(loaded.manifest, volumes)), strict=True
        )
        turn, spacing = turn_to(settings.axes), canonical[0].spacing
        channels = np.stack([turn.apply(_finite(volume)) for volume in canonical])
        first, second, third = turn.axes
        view = View.of(channels, (spacing[first], spacing[second], spacing[third]), settings)
        probabilities = covered(view.image, settings.patch, net.probabilities)
        shape = (channels.shape[1], channels.shape[2], channels.shape[3])
        labels, confidence = labelled(probabilities, view.lattice, voxels=shape, values=settings.values)
        return Prediction(turns[0].undo(turn.undo(labels)), confidence, device=net.place)

    def parameters(self) -> int:
        """Of the network, trainable or not."""
        return self._ready().net.parameters

    def unload(self) -> None:
        """Free the model's memory."""
        self._loaded = None

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeUnavailable("no model is loaded; call load first")
        return self._loaded


def _finite(volume: Volume) -> Floats:
    """Voxels as numbers that can be added: what is not one, as some NIfTI files have outside the head, becomes 0."""
    return np.nan_to_num(volume.array.astype(np.float32), posinf=0, neginf=0)
