"""Heads with tumours, as a network takes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ainode_models.demo.phantom import brain_tumour_phantom
from ainode_models.orientation import to_canonical
from ainode_models.volume import Volume
from nnunet_kinds.kind import Kind

CHANNELS = ("T1", "T1c", "T2", "FLAIR")


@dataclass(frozen=True)
class PhantomCase:
    """One head."""

    volumes: Mapping[str, Volume]
    image: NDArray[np.float32]
    """``(channels, slices, rows, columns)`` in canonical axes."""
    spacing: list[float]
    """mm between slices, rows and columns."""
    labels: NDArray[np.uint8]
    """1 necrosis, 2 oedema, 3 enhancing, ``(slices, rows, columns)``."""


def phantom_cases(kind: Kind, count: int, *, first: int) -> Iterator[PhantomCase]:
    """So many heads, axial, with one or two tumours, from the seed ``first`` on."""
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        phantom = brain_tumour_phantom(rng, spacing=kind.case, tumours=1 + seed % 2)
        volumes = [to_canonical(phantom.volumes[name])[0] for name in CHANNELS]
        truth, _ = to_canonical(Volume(phantom.labels, phantom.volumes["T1"].affine, "1.2"))
        image = np.stack([each.array.astype(np.float32) for each in volumes])
        yield PhantomCase(phantom.volumes, image, list(volumes[0].spacing), truth.array.astype(np.uint8))
