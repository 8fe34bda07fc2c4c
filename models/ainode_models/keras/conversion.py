"""A network of TensorFlow converted for OpenVINO: ``python -m ainode_models.keras.conversion``."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ainode_models import openvino_cache
from ainode_models.keras.settings import KerasSettings
from ainode_models.openvino_cache import Conversion, Converted, Request, place_of

NETWORK = "network"
"""Its name in the cache."""

_FORMAT = "keras 1"
"""To be counted up when what is written here changes."""
_SAME = 1e-3
"""Difference of a probability from TensorFlow's above which the converted network is not used."""


def converted(file: Path, settings: KerasSettings, channels: int) -> Converted | None:
    """The network of ``file``, converted now unless it is in the cache; None when it cannot be.

    ``file`` was found harmless (`ainode_models.keras.vocabulary`). Raises `PackageError` for one that Keras cannot
    load, and for other shapes than settled.
    """
    shape = [1, *settings.patch, channels]
    words = (_FORMAT, version("keras"), *map(str, (*shape, len(settings.values))))
    request = {"file": str(file), "patch": settings.patch, "channels": channels, "classes": len(settings.values)}
    return Conversion(place_of(*words, files=[file]), convert, request, framework="tensorflow").result()


def convert(request: Request, place: Path) -> None:
    """See `Conversion.convert`. Takes TensorFlow and Keras."""
    from ainode_models.keras.tensorflow_net import TensorFlowNet
    from ainode_models.openvino_network import OpenVinoNetwork

    patch, channels = tuple(request["patch"]), request["channels"]
    net = TensorFlowNet.load(Path(request["file"]), patch, channels=channels, classes=request["classes"], device="cpu")
    import openvino
    import tensorflow as tf

    shape = (1, *patch, channels)
    function = tf.function(lambda image: net.model(image, training=False), input_signature=[tf.TensorSpec(shape)])
    model = openvino.convert_model(function.get_concrete_function(), input=[openvino.PartialShape(list(shape))])
    tried = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    moved = np.abs(OpenVinoNetwork(model)(tried) - net(tried)).max()
    if not moved <= _SAME:
        raise RuntimeError(f"the converted network says something else than TensorFlow: it differs by {moved:.2g}")
    openvino_cache.write(place, {NETWORK: model}, {"parameters": net.parameters})


if __name__ == "__main__":
    sys.exit(openvino_cache.main(convert))
