"""The three nets of the ensemble, with the heads that their users' checkpoints have.

ResNet-50 (He et al. 2016), DenseNet-121 (Huang et al. 2017) and EfficientNet-B0 (Tan and Le 2019), made by torchvision.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ainode_models.torchvision_import import torchvision_models

SIDE = 224
"""Rows and columns of the image that the nets get."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1."""

_HIDDEN = 512


def _resnet50(classes: int) -> Any:
    net = torchvision_models().resnet50(weights=None)
    net.fc = _hidden_head(2048, classes)
    return net


def _densenet121(classes: int) -> Any:
    net = torchvision_models().densenet121(weights=None)
    net.classifier = _hidden_head(1024, classes)
    return net


def _efficientnet_b0(classes: int) -> Any:
    from torch import nn

    net = torchvision_models().efficientnet_b0(weights=None)
    net.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
    return net


def _hidden_head(features: int, classes: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(features, _HIDDEN), nn.ReLU(), nn.Dropout(0.5), nn.Linear(_HIDDEN, classes))


NETS: Mapping[str, Callable[[int], Any]] = MappingProxyType(
    {"resnet50": _resnet50, "densenet121": _densenet121, "efficientnet_b0": _efficientnet_b0}
)
"""Makes a ``torch.nn.Module`` with random weights for so many classes, by name."""


def head_of(name: str, net: Any) -> Any:
    """The layers of a net that are trained when its backbone is frozen."""
    return net.fc if name == "resnet50" else net.classifier


def last_maps_of(name: str, net: Any) -> Any:
    """The layer whose maps Grad-CAM looks at: the last that has rows and columns."""
    return net.layer4 if name == "resnet50" else net.features
