"""Several volumes at the same place in one series: which images belong together, and what tells them apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ainode.volume.slices import Slice
from ainode.volume.traits import Trait, Value, traits_of

SAME_PLACE_MM = 0.01
"""Images closer than this are at the same place: below any slice spacing, above the rounding of positions."""


@dataclass(frozen=True)
class Part:
    """Images of a series that belong together."""

    traits: tuple[str, ...]
    """What tells them from the others, such as ``EchoTime 30``."""
    slices: tuple[Slice, ...]
    """In the order of the series' slices."""

    @property
    def name(self) -> str:
        """For people, and unlike the name of any other part of the series."""
        return ", ".join(self.traits)


class VolumeChoice(Protocol):
    """Which of the volumes of a series is wanted."""

    @property
    def traits(self) -> Sequence[Trait]:
        """What it goes by, which therefore tells volumes apart before anything else does."""

    def pick(self, parts: Sequence[Part]) -> Part:
        """The one that is wanted; raises GeometryError when it is none or several."""


def plane_starts(slices: Sequence[Slice]) -> NDArray[np.intp]:
    """Indices at which another plane begins in slices that are sorted along their normal."""
    along = np.array([item.position @ slices[0].normal for item in slices])
    return np.flatnonzero(np.diff(along, prepend=-np.inf) > SAME_PLACE_MM)


def split_volumes(slices: Sequence[Slice], first: Sequence[Trait] = ()) -> list[Part]:
    """Sorted slices as volumes that hold each place once, as far as their headers tell them apart.

    An element tells volumes apart when all the values that it has in the series also occur at one place: times that
    differ from slice to slice do not. Those of ``first`` are looked at before those that are known. One part comes
    back when there is one volume, or when nothing tells them apart.
    """
    return _split(Part((), tuple(slices)), first)


def volume_names(parts: Sequence[Part], *, shown: int = 4) -> str:
    """The first parts with their number of slices, and how many more there are, for messages."""
    names = [f"{part.name or 'the only one'} ({_slices(part)})" for part in parts[:shown]]
    return "; ".join([*names, f"and {len(parts) - shown} more"] if len(parts) > shown else names)


def _split(part: Part, first: Sequence[Trait]) -> list[Part]:
    starts = plane_starts(part.slices)
    if len(starts) == len(part.slices):
        return [part]
    planes = np.searchsorted(starts, np.arange(len(part.slices)), side="right").tolist()
    for trait in (*first, *traits_of(part.slices[0].header)):
        values = [trait.read(item.header) for item in part.slices]
        if _tells_apart(values, planes):
            groups = _grouped(part, trait, values)
            return [volume for group in groups for volume in _split(group, first)]
    return _by_number(part, starts)


def _tells_apart(values: Sequence[Value], planes: Sequence[int]) -> bool:
    seen: dict[int, set[Value]] = {}
    for value, plane in zip(values, planes, strict=True):
        seen.setdefault(plane, set()).add(value)
    return 1 < len(set(values)) == max(len(found) for found in seen.values())


def _grouped(part: Part, trait: Trait, values: Sequence[Value]) -> list[Part]:
    """One part for each value, in their order."""
    groups: dict[Value, list[Slice]] = {value: [] for value in sorted(set(values), key=_order)}
    for item, value in zip(part.slices, values, strict=True):
        groups[value].append(item)
    return [
        Part((*part.traits, trait.described(value, number)), tuple(items))
        for number, (value, items) in enumerate(groups.items(), start=1)
    ]


def _order(value: Value) -> tuple[tuple[bool, float, str], ...]:
    """Numbers before text."""
    return tuple((True, 0.0, one) if isinstance(one, str) else (False, one, "") for one in value)


def _by_number(part: Part, starts: NDArray[np.intp]) -> list[Part]:
    """Time points in the order of ``InstanceNumber``, where the scanner says no more than how many there are."""
    counts = set(np.diff(starts, append=len(part.slices)).tolist())
    written = {item.header.get("NumberOfTemporalPositions") for item in part.slices}
    numbers = {item.header.get("InstanceNumber") for item in part.slices}
    if len(counts) != 1 or written != counts or len(numbers) != len(part.slices) or None in numbers:
        return [part]
    ends = [*starts[1:].tolist(), len(part.slices)]
    places = [
        sorted(part.slices[start:end], key=lambda item: int(item.header.InstanceNumber))
        for start, end in zip(starts.tolist(), ends, strict=True)
    ]
    return [
        Part((*part.traits, f"temporal position {number} by InstanceNumber"), slices)
        for number, slices in enumerate(zip(*places, strict=True), start=1)
    ]


def _slices(part: Part) -> str:
    return "1 slice" if len(part.slices) == 1 else f"{len(part.slices)} slices"
