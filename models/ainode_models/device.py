"""Whether the settings' word for a device means a GPU; torch is imported only where there may be one."""

from pathlib import Path

from ainode_models.errors import RuntimeUnavailable

_GPU = Path("/dev/nvidiactl")
"""The device through which the processes of this machine, or container, reach a GPU."""


def may_use_gpu(name: str) -> bool:
    """Whether a framework has to say if there is a GPU: not for ``cpu``, nor for ``auto`` where there is none.

    ``name`` is ``cpu``, ``cuda`` or ``auto``; raises `RuntimeUnavailable` for another word.
    """
    if name not in ("cpu", "cuda", "auto"):
        raise RuntimeUnavailable(f"device {name!r} is not known; use cpu, cuda or auto")
    return name == "cuda" or (name == "auto" and _GPU.exists())


def uses_gpu(name: str) -> bool:
    """Whether torch finds the GPU that ``name`` may use; raises `RuntimeUnavailable` for one that lacks, too."""
    if not may_use_gpu(name):
        return False
    from ainode_models.torch_device import device_of

    return device_of(name).type == "cuda"
