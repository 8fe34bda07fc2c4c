"""Whether the settings' word for a device means a GPU; torch is imported only where there may be one."""

from pathlib import Path

from ainode_models.errors import RuntimeUnavailable

_GPU = Path("/dev/nvidiactl")
"""The device through which the processes of this machine, or container, reach a GPU."""


def uses_gpu(name: str) -> bool:
    """For ``cpu``, ``cuda`` or ``auto``; raises `RuntimeUnavailable` for another word or a GPU that lacks."""
    if name not in ("cpu", "cuda", "auto"):
        raise RuntimeUnavailable(f"device {name!r} is not known; use cpu, cuda or auto")
    if name == "cpu" or (name == "auto" and not _GPU.exists()):
        return False
    from ainode_models.torch_device import device_of

    return device_of(name).type == "cuda"
