"""What makes modality values visible: VOI LUTs and windows (PS3.3 C.11.2)."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_windowing

from ainode.volume.elements import UNREADABLE, image_name
from ainode.volume.lookup import LookupTable, is_little_endian, read_table
from ainode_models.errors import InstanceError


class View(Protocol):
    """One way to show modality values."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Each value from 0 to 1."""


@dataclass(frozen=True)
class Window:
    """Window Center and Width; out of range values are cut off (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    center: float
    width: float
    function: str = "LINEAR"
    """``VOILUTFunction``: LINEAR, LINEAR_EXACT or SIGMOID."""
    explanation: str = ""

    @property
    def name(self) -> str:
        """Such as ``window 40/400 LINEAR (MEDIASTINUM)``."""
        return _explained(f"window {self.center:g}/{self.width:g} {self.function}", self.explanation)

    @property
    def valid(self) -> bool:
        """Whether the standard gives it a meaning."""
        least = {"LINEAR": self.width >= 1, "LINEAR_EXACT": self.width > 0, "SIGMOID": self.width > 0}
        return bool(np.isfinite([self.center, self.width]).all()) and least.get(self.function, False)

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Each value from 0 to 1."""
        window = Dataset()
        window.WindowCenter, window.WindowWidth, window.VOILUTFunction = self.center, self.width, self.function
        # pydicom's output is the range of the stored bits: that of one bit is 0 to 1
        window.PhotometricInterpretation, window.PixelRepresentation, window.BitsStored = "MONOCHROME2", 0, 1
        return np.asarray(apply_windowing(values, window), np.float64)


@dataclass(frozen=True)
class VoiTable:
    """One item of VOI LUT Sequence (PS3.3 C.11.2.1.1)."""

    number: int
    table: LookupTable
    explanation: str = ""

    @property
    def name(self) -> str:
        """Such as ``VOI LUT 1 (NORMAL)``."""
        return _explained(f"VOI LUT {self.number}", self.explanation)

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Each value from 0 to 1; 1 for entries of more bits than the table says."""
        return np.minimum(self.table(values) / self.table.maximum, 1)


@dataclass(frozen=True)
class FullRange:
    """From the lowest to the highest value."""

    low: float
    high: float

    @property
    def name(self) -> str:
        """Such as ``full range, -3 to 200``."""
        return f"full range, {self.low:g} to {self.high:g}"

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Each value from 0 to 1; 0 when they are all the same."""
        width = (float(self.high) - float(self.low)) or 1.0
        return np.clip((values.astype(np.float64) - self.low) / width, 0, 1)


def views_of(header: Dataset) -> tuple[list[View], list[str]]:
    """All that the image offers, VOI LUTs first, and a note on each that has no meaning and was left out.

    Raises InstanceError when they are damaged.
    """
    try:
        tables, windows = _tables(header), _windows(header)
    except UNREADABLE as exc:
        raise InstanceError(f"{image_name(header)} has a damaged VOI LUT or window: send it again") from exc
    notes = [f"{window.name} has no meaning and was left out" for window in windows if not window.valid]
    return [*tables, *(window for window in windows if window.valid)], notes


def _tables(header: Dataset) -> list[View]:
    little = is_little_endian(header)
    return [
        VoiTable(number, read_table(item, little_endian=little), str(item.get("LUTExplanation") or ""))
        for number, item in enumerate(header.get("VOILUTSequence") or (), start=1)
    ]


def _windows(header: Dataset) -> list[Window]:
    centers, widths = (_list(header.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    texts = [str(text) for text in _list(header.get("WindowCenterWidthExplanation"))]
    function = str(header.get("VOILUTFunction") or "LINEAR")
    return [
        Window(float(center), float(width), function, texts[index] if index < len(texts) else "")
        for index, (center, width) in enumerate(zip(centers, widths, strict=True))
    ]


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (MultiValue, list)) else [value]


def _explained(name: str, explanation: str) -> str:
    return f"{name} ({explanation})" if explanation else name
