"""Backbones that need no room: convolutions drawn from a seed, the same on every machine and with every torch.

The numbers come from the bits of numpy's PCG64, whose stream is guaranteed (NEP 19), by exact arithmetic alone.
"""

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainode_models.cxr.settings import SeededBackbone
from ainode_models.errors import PackageError


def drawn_weights(net: Any, seed: int) -> dict[str, NDArray[np.float32]]:
    """A weight for every convolution of ``net``, by its key in the state dict: uniform by He et al. 2015."""
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items() if value.ndim == 4}
    return {key: _draw(seed, key, shape=shape) for key, shape in shapes.items()}


def checksum(weights: Mapping[str, NDArray[np.float32]]) -> str:
    """SHA-256 over names, shapes and little-endian values, in the order of the names."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(f"{key} {weights[key].shape}\n".encode())
        digest.update(np.ascontiguousarray(weights[key], dtype="<f4").tobytes())
    return digest.hexdigest()


def completed(state: Mapping[str, Any], net: Any, *, backbone: SeededBackbone, file: Path) -> dict[str, Any]:
    """``state`` with the convolutions that it leaves out.

    Raises `PackageError` when it holds some already, or the drawn ones are not those that it was trained with.
    """
    import torch

    weights = drawn_weights(net, backbone.seed)
    both = sorted(set(weights) & set(state))
    if both:
        raise PackageError(f"{file}: holds {both[0]}, which backbone draws from a seed; remove one of the two")
    actual = checksum(weights)
    if actual != backbone.sha256:
        raise PackageError(
            f"{file}: the backbone drawn from seed {backbone.seed} has SHA-256 {actual}, but the package was trained "
            f"with {backbone.sha256}; use the releases of numpy and torchvision in constraints.txt, or train it anew"
        )
    return {**state, **{key: torch.from_numpy(value) for key, value in weights.items()}}


def _draw(seed: int, key: str, *, shape: tuple[int, ...]) -> NDArray[np.float32]:
    count = int(np.prod(shape))
    bits = np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(key.encode())])).random_raw(-(-count // 4))
    steps = np.asarray(bits, dtype="<u8").view("<i2")[:count].reshape(shape)
    bound = np.float32(np.sqrt(6.0 / np.prod(shape[1:])))
    return (steps.astype(np.float32) + np.float32(0.5)) * np.float32(2**-15) * bound
