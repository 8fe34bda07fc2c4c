"""The network's answer to a whole image, window by window, with less memory where there is no more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from ainode_models.errors import ModelError
from ainode_models.memory import SMALLER_WINDOWS, SPILLED, lacks_memory
from ainode_models.nnunet.engine import Engine
from ainode_models.nnunet.plans import Configuration
from ainode_models.nnunet.resampling import Shape
from ainode_models.nnunet.windows import Window, bell, smaller_patches, windows

_BATCH_VOXELS = 64**3
"""Small windows are asked together, until they have so many voxels."""


@dataclass(frozen=True)
class Way:
    """One way to go through an image."""

    patch: Shape
    beside: bool
    """Whether the sums lie in the machine's memory although the network is on a GPU."""


@dataclass
class Sliding:
    """Goes over images with windows, and remembers for which it had too little memory."""

    engine: Engine
    configuration: Configuration
    step: float
    mirroring: bool
    _begin: int = field(default=0, init=False)
    """The first way that was not found to need too much memory for the image at hand."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was done otherwise than asked since `forget`."""
        ways = self._ways()
        wanted, taken = ways[0], ways[self._begin]
        return (SPILLED,) * (taken.beside and not wanted.beside) + (SMALLER_WINDOWS,) * (taken.patch != wanted.patch)

    def forget(self) -> None:
        """Begin with what takes most memory again: another image may be smaller, or the GPU empty."""
        self._begin = 0

    def logits(self, image: Any) -> Any:
        """``(heads, *voxels)`` of ``(channels, *voxels)``; raises what the last way raised, and `ModelError`."""
        ways = self._ways()
        while True:
            found = self._tried(image, ways[self._begin], is_last=self._begin + 1 == len(ways))
            if found is not None:
                return found
            self._begin += 1  # here, where the error no longer holds on to memory

    def _ways(self) -> list[Way]:
        """Those that there are, from the one that takes most memory to the one that takes least."""
        patch, on_gpu = self.configuration.patch, self.engine.on_gpu
        smaller = smaller_patches(self.configuration.architecture, patch)
        return [
            *([Way(patch, beside=False)] if on_gpu else []),
            *(Way(each, beside=on_gpu) for each in (patch, *smaller)),
        ]

    def _tried(self, image: Any, way: Way, *, is_last: bool) -> Any:
        """The logits; None when memory lacks and there are other ways."""
        try:
            return self._logits(image, way)
        except (MemoryError, RuntimeError) as error:
            if is_last or not lacks_memory(error):
                raise
        return None

    def _logits(self, image: Any, way: Way) -> Any:
        padded, inside = _padded(self.engine.place(image, beside=way.beside), way.patch)
        xp = array_namespace(padded)
        size = padded.shape[1:]
        total = xp.zeros((self.engine.heads, *size), dtype=xp.float32, device=device(padded))
        weights = xp.zeros(size, dtype=xp.float32, device=device(padded))
        weight = self.engine.place(bell(way.patch), beside=way.beside)
        for group in _groups(_alike(padded, windows(size, way.patch, self.step)), way.patch):
            for answers in self._answers(padded, [first for first, *_ in group]):
                for places, answer in zip(group, answers, strict=True):
                    thin = xp.reshape(answer, (answer.shape[0], *(part.stop - part.start for part in places[0])))
                    thin *= weight
                    for window in places:
                        total[(slice(None), *window)] += thin
                        weights[window] += weight
        total /= weights
        if not bool(xp.all(xp.isfinite(total))):
            raise ModelError("the network gave infinite numbers; check its weights with `ainode models check`")
        return total[(slice(None), *inside)]

    def _answers(self, image: Any, group: list[Window]) -> Iterator[Any]:
        """``(windows, heads, *patch)`` of the windows as they are, then of each mirrored view, turned back."""
        xp = array_namespace(image)
        dimensions = len(self.configuration.patch)
        parts = [image[(slice(None), *window)] for window in group]
        stacked = xp.stack(parts) if len(parts) > 1 else parts[0][None]  # which takes no memory
        seen = xp.reshape(stacked, (*stacked.shape[:2], *stacked.shape[-dimensions:]))
        yield self.engine.run(seen)
        for axes in self._turns():
            yield xp.flip(self.engine.run(xp.flip(seen, axis=axes)), axis=axes)

    def _turns(self) -> Iterator[tuple[int, ...]]:
        """The axes of every mirrored view of a batch of windows."""
        axes = [axis + 2 for axis in self.engine.mirror_axes] if self.mirroring else []
        for count in range(1, len(axes) + 1):
            yield from combinations(axes, count)


def _alike(image: Any, places: Sequence[Window]) -> list[list[Window]]:
    """Windows that have the same answer: those with one value in each channel, such as air that was clipped, by it."""
    found: dict[tuple[float, ...] | int, list[Window]] = {}
    for number, place in enumerate(places):
        values = _lone_values(image[(slice(None), *place)])
        found.setdefault(number if values is None else values, []).append(place)
    return list(found.values())


def _lone_values(window: Any) -> tuple[float, ...] | None:
    """The only value of each channel; None where one has several."""
    xp = array_namespace(window)
    first = window[(slice(None), *(slice(0, 1) for _ in window.shape[1:]))]
    if not bool(xp.all(window == first)):
        return None
    return tuple(float(value) for value in xp.reshape(first, (-1,)))


def _groups(places: list[list[Window]], patch: Shape) -> Iterator[list[list[Window]]]:
    count = max(1, _BATCH_VOXELS // int(np.prod(patch)))
    for start in range(0, len(places), count):
        yield places[start : start + count]


def _padded(image: Any, patch: Shape) -> tuple[Any, Window]:
    """``image`` with zeros around, as large as a window at least, and where it lies in it (``pad_nd_image``)."""
    xp = array_namespace(image)
    size = image.shape[1:]
    least = (*(1 for _ in range(len(size) - len(patch))), *patch)
    whole = tuple(max(pair) for pair in zip(size, least, strict=True))
    inside = tuple(
        slice((big - small) // 2, (big - small) // 2 + small) for big, small in zip(whole, size, strict=True)
    )
    if whole == tuple(size):
        return image, inside
    padded = xp.zeros((image.shape[0], *whole), dtype=image.dtype, device=device(image))
    padded[(slice(None), *inside)] = image
    return padded, inside
