"""Networks made, saved and asked by plain Keras, in a process of its own: ``python plain_keras.py FOLDER``.

Nothing of ainode is imported here. For each network ``NAME`` it writes the file, ``NAME.npy`` with the image
``(depth, height, width, channels)`` and ``NAME-answer.npy`` with the probabilities that Keras itself gives.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import h5py
import keras
import numpy as np

CHANNELS, CLASSES, SIZE = 2, 4, 16


class InstanceNormalization(keras.layers.Layer):  # type: ignore[misc]
    """As in TensorFlow Addons."""

    def build(self, shape: Any) -> None:
        """Make the weights."""
        self.gamma = self.add_weight(name="gamma", shape=shape[-1:])
        self.beta = self.add_weight(name="beta", shape=shape[-1:])

    def call(self, x: Any) -> Any:
        """Normalise."""
        mean, variance = keras.ops.moments(x, (1, 2, 3), keepdims=True)
        return (x - mean) * keras.ops.rsqrt(variance + 0.01) * self.gamma + self.beta

    def get_config(self) -> dict[str, Any]:
        """What the file keeps."""
        return {**super().get_config(), "groups": -1, "axis": -1, "epsilon": 0.01, "center": True, "scale": True}


@keras.saving.register_keras_serializable(package="Site")
class AttentionGate(keras.layers.Layer):  # type: ignore[misc]
    """As Oktay 2018 describes it, written with convolutions."""

    def __init__(self, filters: int, **others: Any) -> None:
        super().__init__(**others)
        self.filters = filters

    def build(self, shapes: Any) -> None:
        """Make the weights."""
        skip, gate = (shape[-1] for shape in shapes)
        for name, shape in (("theta", (skip, self.filters)), ("phi", (gate, self.filters)), ("psi", (self.filters, 1))):
            layer = keras.layers.Dense(shape[1], name=name)
            layer.build((None, shape[0]))
            setattr(self, name, layer)

    def call(self, pair: Any) -> Any:
        """Let through what the gate attends to."""
        skip, gate = pair
        both = keras.ops.relu(self.theta(skip) + self.phi(gate))
        return skip * keras.ops.sigmoid(self.psi(both))

    def compute_output_shape(self, shapes: Any) -> Any:
        """The shape of the skip."""
        return shapes[0]

    def get_config(self) -> dict[str, Any]:
        """What the file keeps."""
        return {**super().get_config(), "filters": self.filters}


def u_net() -> Any:
    """Two levels, a model within the model, and both layers that are not Keras's own."""
    layers = keras.layers
    inside = keras.Input((SIZE, SIZE, SIZE, 4))
    block = keras.Model(inside, layers.BatchNormalization()(layers.Conv3D(4, 3, padding="same")(inside)), name="block")
    image = keras.Input((SIZE, SIZE, SIZE, CHANNELS))
    skip = InstanceNormalization()(layers.Conv3D(4, 3, padding="same", activation="relu")(image))
    skip = layers.SpatialDropout3D(0.2)(layers.LeakyReLU()(block(skip)))
    deep = layers.Conv3D(6, 3, padding="same", activation="elu")(layers.MaxPooling3D()(skip))
    up = layers.Conv3DTranspose(4, 2, strides=2)(deep)
    both = layers.Concatenate()([AttentionGate(3)([skip, up]), layers.UpSampling3D()(deep)])
    answer = layers.Conv3D(CLASSES, 1, activation="softmax")(InstanceNormalization()(both))
    model = keras.Model(image, answer)
    model.compile("adam", loss=a_loss)
    return model


def a_loss(truth: Any, answer: Any) -> Any:
    """A function of the training, which the file names and the node does not have."""
    return keras.ops.mean(truth - answer)


def with_lambda(file: str, *, nested: bool) -> Any:
    """A network with Python bytecode that creates ``file`` when it runs, if asked for in a network within."""
    image = keras.Input((SIZE, SIZE, SIZE, CHANNELS))
    code = keras.layers.Lambda(eval(f"lambda x: (__import__('pathlib').Path({file!r}).touch(), x)[1]"))
    within = keras.Model(image, code(image), name="within")
    outer = keras.Input((SIZE, SIZE, SIZE, CHANNELS))
    return keras.Model(
        outer, keras.layers.Conv3D(CLASSES, 1, activation="softmax")((within if nested else code)(outer))
    )


def shaken(model: Any, rng: np.random.Generator) -> Any:
    """The model with weights, biases and statistics that are all random."""
    model.set_weights([_random(weight.shape, rng) for weight in model.get_weights()])
    for layer in model.get_layer("block").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return model


def _random(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Kernels that keep the deviation of what goes through, and other weights around a half."""
    return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else rng.uniform(0.2, 0.9, shape)


def as_keras_2(file: Path) -> None:
    """Spell the ``.h5`` as tf_keras 2.21 does (read off one of its files): groups of a transposed convolution, axes."""
    with h5py.File(file, "a") as content:
        config = json.loads(content.attrs["model_config"])
        layers = config["config"]["layers"]
        within = [part for outer in layers for part in outer["config"].get("layers", ())]
        for layer in [*layers, *within]:
            settings = layer["config"]
            if layer["class_name"] == "Conv3DTranspose":
                settings["groups"] = 1
            if layer["class_name"] == "BatchNormalization":
                settings["axis"] = [4]
            if layer["class_name"] == "InstanceNormalization":
                layer["class_name"] = "Addons>InstanceNormalization"
            if layer["class_name"] == "InputLayer":
                settings["batch_input_shape"] = settings.pop("batch_shape")
        content.attrs["model_config"] = json.dumps(config)
        content.attrs["keras_version"] = content["model_weights"].attrs["keras_version"] = "2.21.0"


def main(folder: Path) -> None:
    rng = np.random.default_rng(4)
    model = shaken(u_net(), rng)
    image = rng.normal(size=(SIZE, SIZE, SIZE, CHANNELS)).astype(np.float32)
    np.save(folder / "image.npy", image)
    np.save(folder / "answer.npy", model(image[None]).numpy()[0])
    for suffix in ("h5", "keras"):
        model.save(folder / f"net.{suffix}")
        for nested in (False, True):
            file = folder / f"lambda-{'within' if nested else 'plain'}.{suffix}"
            mark = file.with_name("mark")
            with_lambda(str(mark), nested=nested).save(file)
            mark.unlink()
            if not nested:
                keras.models.load_model(file, safe_mode=False)
                mark.unlink()  # it was there: plain Keras runs the code of the file
    shutil.copyfile(folder / "net.h5", folder / "keras-2.h5")
    as_keras_2(folder / "keras-2.h5")
    model.save_weights(folder / "only.weights.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
