"""Headers of a run's images and where they lie, from its first step to its last, so that each is read once."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

_MOST = 4000
"""Headers that are kept of all runs together, some 50 kB each: those of three or four under way."""


@dataclass(frozen=True)
class PlacedImages:
    """The images of one run."""

    headers: Mapping[str, Sequence[Dataset]]
    """Of every image of each input, without pixels."""
    reference: Sequence[Dataset]
    """Of the first input, one for each slice of its volume, in their order."""
    affine: NDArray[np.float64]
    """Of that volume, as in `ainode_models.volume.Volume`."""

    @property
    def count(self) -> int:
        """Headers in all."""
        return sum(map(len, self.headers.values()))


class KeptImages:
    """What was read of a few runs; who does not find a run here reads its images again. Thread-safe."""

    def __init__(self) -> None:
        self._kept: dict[str, PlacedImages] = {}
        self._lock = threading.Lock()

    def keep(self, run_id: str, images: PlacedImages) -> None:
        """Keep what was read; those that were kept longest make way."""
        with self._lock:
            self._kept.pop(run_id, None)
            self._kept[run_id] = images
            while sum(each.count for each in self._kept.values()) > _MOST:
                del self._kept[next(iter(self._kept))]

    def take(self, run_id: str) -> PlacedImages | None:
        """What was kept of a run, once: whoever does a step again reads anew."""
        with self._lock:
            return self._kept.pop(run_id, None)
