"""torchvision's nets beside a torch without CUDA."""

from importlib import import_module
from types import ModuleType

_MODELS = "torchvision.models"


def torchvision_models() -> ModuleType:
    """``torchvision.models``.

    The wheel of PyPI is made for a torch with CUDA; beside the CPU build its import fails where it describes two
    operators that its library did not bring. Naming them first, without an implementation, mends that.
    """
    try:
        return import_module(_MODELS)
    except RuntimeError as exc:
        if "torchvision::nms" not in str(exc):
            raise
    import torch

    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return import_module(_MODELS)
