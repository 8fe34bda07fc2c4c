"""Where torch computes: from the settings' word to a device, and from the device to words. Imports torch."""

import torch

from ainode_models.errors import RuntimeUnavailable


def device_of(name: str) -> torch.device:
    """``cpu``, ``cuda`` or ``auto``; raises `RuntimeUnavailable`."""
    cuda = torch.cuda.is_available()
    if name not in ("cpu", "cuda", "auto"):
        raise RuntimeUnavailable(f"device {name!r} is not known; use cpu, cuda or auto")
    if name == "cuda" and not cuda:
        raise RuntimeUnavailable("device 'cuda' was asked for, but torch finds no GPU; use cpu or auto")
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")


def named(device: torch.device) -> str:
    """``cpu``, or number and name of the GPU, such as ``cuda:0 NVIDIA H200``."""
    if device.type != "cuda":
        return device.type
    number = torch.cuda.current_device() if device.index is None else device.index
    return f"cuda:{number} {torch.cuda.get_device_name(number)}"
