"""The words that the description of a network may use; whatever is not here could run code when it is loaded."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ainode_models.errors import PackageError

CUSTOM_LAYERS = ("AttentionGate", "InstanceNormalization")
"""Layers that are not Keras's, which `ainode_models.keras.layers` brings for packages that declare them."""

_MODELS = {"Functional", "Model", "Sequential", "InputLayer"}
_LAYERS = {
    *("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "Convolution3D", "Deconvolution3D"),
    *("DepthwiseConv2D", "SeparableConv2D", "Dense", "Flatten", "Reshape", "Permute", "RepeatVector", "Identity"),
    *("MaxPooling2D", "MaxPooling3D", "AveragePooling2D", "AveragePooling3D", "GlobalAveragePooling2D"),
    *("GlobalAveragePooling3D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "UpSampling2D", "UpSampling3D"),
    *("ZeroPadding2D", "ZeroPadding3D", "Cropping2D", "Cropping3D", "Concatenate", "Add", "Subtract", "Multiply"),
    *("Average", "Maximum", "Minimum", "Dot", "BatchNormalization", "LayerNormalization", "GroupNormalization"),
    *("UnitNormalization", "SpectralNormalization", "Dropout", "SpatialDropout2D", "SpatialDropout3D"),
    *("AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization", "Activation", "ReLU"),
    *("LeakyReLU", "PReLU", "ELU", "Softmax", "Rescaling", "Normalization", "MultiHeadAttention", "Embedding"),
}
_PARTS = {
    *("Zeros", "Ones", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal"),
    *("LecunUniform", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal"),
    *("L1", "L2", "L1L2", "OrthogonalRegularizer", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "DTypePolicy"),
    *("Policy", "__tuple__", "__keras_tensor__", "TensorShape"),
}
"""Initializers, regularizers, constraints, policies, and how Keras spells plain values."""

_CLASSES = frozenset(_MODELS | _LAYERS | _PARTS)


def refuse_code(config: Any, file: Path, *, custom_layers: tuple[str, ...]) -> None:
    """Raise `PackageError` unless every object of ``config``, at any depth, is of a class that is known and harmless.

    ``config`` is the JSON of a model. It refuses ``Lambda`` layers (whose bytecode Keras would run), functions, classes
    that Keras would import, and custom layers that the package does not declare.
    """
    for entry in _objects(config):
        name, module = entry.get("class_name"), entry.get("module")
        custom = _custom(entry)
        if custom:
            _check_custom(custom, entry, file, custom_layers=custom_layers)
        elif not _is_known(name) or not _is_of_keras(module) or entry.get("registered_name") not in (None, name):
            raise PackageError(
                f"{file}: holds {_spelled(name, module)}, which could run code when it is loaded; refused. Build "
                f"the network from Keras's own layers, or from {', '.join(CUSTOM_LAYERS)}, and save it again"
            )


def aliases(config: Any) -> Mapping[str, str]:
    """The custom layer that each name means by which ``config`` calls one, such as ``Addons>InstanceNormalization``."""
    named = [(custom, entry) for entry in _objects(config) if (custom := _custom(entry))]
    return {
        str(entry[key]): custom
        for custom, entry in named
        for key in ("class_name", "registered_name")
        if entry.get(key)
    }


def _custom(entry: Mapping[str, Any]) -> str | None:
    """The custom layer that ``entry`` is, whichever package its author registered it in."""
    name = str(entry.get("class_name")).rpartition(">")[2]
    return name if name in CUSTOM_LAYERS else None


def _check_custom(name: str, entry: Mapping[str, Any], file: Path, *, custom_layers: tuple[str, ...]) -> None:
    if name not in custom_layers:
        declared = json.dumps([*custom_layers, name])
        raise PackageError(f"{file}: uses the layer {name}; declare it: [keras] custom_layers = {declared}")
    if str(entry.get("registered_name") or name).rpartition(">")[2] != name:
        raise PackageError(f"{file}: calls its {name} {entry['registered_name']!r}; refused, save the network again")


def _is_known(name: Any) -> bool:
    return isinstance(name, str) and name in _CLASSES


def _is_of_keras(module: Any) -> bool:
    return module is None or (isinstance(module, str) and (module == "keras" or module.startswith("keras.")))


def _spelled(name: Any, module: Any) -> str:
    return f"{name!r} of the module {module!r}" if module else f"{name!r}"


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary below ``config`` that Keras would make an object of."""
    todo = [config]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            if each.keys() & {"class_name", "registered_name", "module"}:
                yield each
            todo.extend(reversed(each.values()))
        elif isinstance(each, list):
            todo.extend(reversed(each))
