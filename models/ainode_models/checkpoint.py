"""A look into a checkpoint before nnU-Net unpickles it, so that nothing in it executes."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ainode_models.errors import PackageError


def refuse_code(path: Path) -> None:
    """Raise `PackageError` unless the checkpoint holds nothing but tensors, containers and numpy numbers.

    ``torch.load(weights_only=True)`` runs its own restricted unpickler; the classes beyond its list are those
    of the numbers that nnU-Net logs.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_numbers()):
            torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise PackageError(
            f"{path}: holds something else than weights and numbers, which could run code when it is loaded; "
            "refused. Save it again with torch.save from plain tensors and numbers"
        ) from exc
    except (OSError, RuntimeError, EOFError) as exc:
        raise PackageError(f"{path}: is no readable PyTorch checkpoint; copy the file again") from exc


def _numbers() -> list[Any]:
    """What numpy's scalars and plain arrays are pickled with, under the module names of numpy 1 and 2."""
    builders = {"scalar": np.float64(0).__reduce__()[0], "_reconstruct": np.empty(0).__reduce__()[0]}
    moved = [
        (builder, f"numpy.{core}.multiarray.{name}") for name, builder in builders.items() for core in ("core", "_core")
    ]
    return [np.dtype, np.ndarray, *moved, *(type(np.dtype(code)) for code in "?bBhHiIlLqQefd")]
