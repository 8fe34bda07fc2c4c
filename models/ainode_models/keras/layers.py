"""Layers that networks for brain tumours use and Keras lacks or has changed. Importing this imports TensorFlow."""

from collections.abc import Mapping
from typing import Any

import keras

from ainode_models.errors import PackageError


class InstanceNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Each channel of each image to mean 0 and deviation 1, then scaled and shifted by ``gamma`` and ``beta``.

    As in TensorFlow Addons (whose configuration has ``groups``: epsilon under the root), else as in keras-contrib
    (epsilon added to the deviation). Channels last.
    """

    def __init__(
        self, axis: Any = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **others: Any
    ) -> None:
        self.groups = others.pop("groups", None)
        kept = {key: others[key] for key in ("name", "dtype", "trainable") if key in others}
        super().__init__(**kept)
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        """Make the weights for ``(batch, *space, channels)``."""
        if self.axis not in (-1, len(input_shape) - 1):
            raise ValueError(f"InstanceNormalization knows the last axis only, not {self.axis}")
        width = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=width, initializer="ones") if self.scale else None
        self.beta = self.add_weight(name="beta", shape=width, initializer="zeros") if self.center else None

    def call(self, inputs: Any) -> Any:
        """Normalise ``inputs``."""
        space = tuple(range(1, len(inputs.shape) - 1))
        mean = keras.ops.mean(inputs, space, keepdims=True)
        variance = keras.ops.var(inputs, space, keepdims=True)
        if self.groups is None:
            deviation = keras.ops.sqrt(variance) + self.epsilon
        else:
            deviation = keras.ops.sqrt(variance + self.epsilon)
        normal = (inputs - mean) / deviation
        normal = normal if self.gamma is None else normal * self.gamma
        return normal if self.beta is None else normal + self.beta

    def get_config(self) -> dict[str, Any]:
        """What the file keeps."""
        own = {"axis": self.axis, "epsilon": self.epsilon, "center": self.center, "scale": self.scale}
        return {**super().get_config(), **own, **({} if self.groups is None else {"groups": self.groups})}


class AttentionGate(keras.layers.Layer):  # type: ignore[misc]
    """The additive gate of Attention U-Net (Oktay 2018) on ``[skip, gate]`` of one size, channels last.

    ``skip * sigmoid(psi(relu(theta(skip) + phi(gate))))`` with point-wise convolutions ``theta`` and ``phi`` to
    ``filters`` channels and ``psi`` to one, each with a bias.
    """

    def __init__(self, filters: int, **others: Any) -> None:
        super().__init__(**others)
        self.filters = filters
        self.theta, self.phi = (keras.layers.Dense(filters, name=name) for name in ("theta", "phi"))
        self.psi = keras.layers.Dense(1, name="psi")

    def build(self, input_shape: Any) -> None:
        """Make the weights for the shapes of ``[skip, gate]``."""
        skip, gate = input_shape
        self.theta.build(skip)
        self.phi.build(gate)
        self.psi.build((*skip[:-1], self.filters))

    def call(self, inputs: Any) -> Any:
        """Let through what the gate attends to."""
        skip, gate = inputs
        return skip * keras.ops.sigmoid(self.psi(keras.ops.relu(self.theta(skip) + self.phi(gate))))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the skip."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """What the file keeps."""
        return {**super().get_config(), "filters": self.filters}


class Conv3DTranspose(keras.layers.Conv3DTranspose):  # type: ignore[misc]
    """Keras's own, for files of Keras 2, which wrote a count of groups, always 1, that Keras 3 does not take."""

    def __init__(self, *arguments: Any, groups: int = 1, **others: Any) -> None:
        if groups != 1:
            raise ValueError("a transposed convolution in groups is not known")
        super().__init__(*arguments, **others)


def custom_objects(names: Mapping[str, str]) -> dict[str, Any]:
    """What Keras must know to load a network that calls the custom layers ``names``: its name to that of the class."""
    known = {each.__name__: each for each in (InstanceNormalization, AttentionGate)}
    missing = set(names.values()) - set(known)
    if missing:
        raise PackageError(f"the layers {', '.join(sorted(missing))} are not known")
    # Functional: Keras 2 names the module in which it had that class, and Keras 3 would look there
    return {
        "Functional": keras.Model,
        "Conv3DTranspose": Conv3DTranspose,
        **{name: known[own] for name, own in names.items()},
    }
