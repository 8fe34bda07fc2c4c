"""Descriptions of networks that would make Keras import, call or read something are refused as plain JSON."""

from pathlib import Path
from typing import Any

import pytest

from ainode_models.errors import PackageError
from ainode_models.keras.vocabulary import refuse_code

FILE = Path("net.keras")


def network(*layers: dict[str, Any]) -> dict[str, Any]:
    """A functional model with ``layers``, as Keras 3 spells it."""
    return {
        "class_name": "Functional",
        "module": "keras.src.models.functional",
        "registered_name": "Functional",
        "config": {"layers": [{"class_name": "InputLayer", "module": "keras.layers", "config": {}}, *layers]},
    }


def layer(name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    """One layer."""
    return {"class_name": name, "module": module, "registered_name": None, "config": config}


@pytest.mark.parametrize(
    "bad",
    [
        layer("Lambda", function={"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}),
        layer("Conv3D", activation={"class_name": "function", "module": "builtins", "config": "swish"}),
        layer("Activation", activation={"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}),
        layer("TFSMLayer", filepath="/etc"),
        layer("StringLookup", vocabulary="/etc/passwd"),
        layer("TorchModuleWrapper"),
        layer("get_file", "keras.utils", origin="https://example.org/x"),
        layer("Conv3D", "os"),
        layer("Conv3D", "kerasx.layers"),
        layer("Popen", "subprocess", args=["true"]),
        layer("TimeDistributed", layer=layer("Lambda")),
        layer("SpectralNormalization", layer=network(layer("Lambda"))),
        {**layer("Conv3D"), "registered_name": "Other>Thing"},
        {"module": "subprocess", "config": {}},
        {"class_name": ["Conv3D"], "config": {}},
        {"class_name": {}, "config": {}},
    ],
)
def test_whatever_is_not_a_known_layer_is_refused_at_any_depth(bad: dict[str, Any]) -> None:
    for config in (bad, network(bad), network(network(layer("Conv3D"), network(bad)))):
        with pytest.raises(PackageError, match="could run code when it is loaded; refused"):
            refuse_code(config, FILE, custom_layers=("InstanceNormalization",))


def test_layers_of_keras_and_declared_ones_pass() -> None:
    initializer = {"class_name": "HeNormal", "module": "keras.initializers", "config": {"seed": None}}
    config = network(
        layer("Conv3D", kernel_initializer=initializer, activation="relu"),
        layer("SpectralNormalization", layer=layer("Conv3D")),
        {**layer("InstanceNormalization", None), "registered_name": "Addons>InstanceNormalization"},
        {"class_name": "Addons>InstanceNormalization", "config": {}},
    )
    refuse_code(config, FILE, custom_layers=("InstanceNormalization",))
    with pytest.raises(PackageError, match=r'declare it: \[keras\] custom_layers = \["InstanceNormalization"\]'):
        refuse_code(config, FILE, custom_layers=())


def test_a_declared_layer_cannot_stand_for_another() -> None:
    bad = {**layer("InstanceNormalization", "os"), "registered_name": "Other>system"}
    with pytest.raises(PackageError, match="calls its InstanceNormalization 'Other>system'; refused"):
        refuse_code(network(bad), FILE, custom_layers=("InstanceNormalization",))
