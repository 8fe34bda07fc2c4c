"""Voxels of NIfTI volumes as 16-bit integers with a slope and an intercept."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from ainode_models.errors import InstanceError

_SMALL = (np.int8, np.uint8, np.int16, np.uint16)
_LOWEST, _HIGHEST = -32768, 32767


@dataclass(frozen=True)
class StoredValues:
    """A volume that is read slice by slice: value = stored value * slope + intercept."""

    voxels: Any
    """Array or memory map ``(i, j, k)``, not scaled."""
    signed: bool
    slope: float
    intercept: float
    scale: tuple[float, float] | None
    """Slope and intercept of ``voxels`` itself, when these are to be made into 16 bits; None when they are such."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j and k."""
        i, j, k = self.voxels.shape
        return i, j, k

    @property
    def slices(self) -> int:
        """Slices along k."""
        return self.shape[2]

    def slice(self, index: int) -> bytes:
        """One slice as PixelData: rows along j, columns along i, little endian."""
        plane = np.asarray(self.voxels[:, :, index]).T
        if self.scale is not None:
            real = plane.astype(np.float64) * self.scale[0] + self.scale[1]
            plane = np.clip(np.rint((real - self.intercept) / self.slope), _LOWEST, _HIGHEST)
        return plane.astype("<i2" if self.signed else "<u2").tobytes()


def stored_values(image: Any, count: int, *, cure: str) -> list[StoredValues]:
    """Values of the ``count`` volumes of a NIfTI image, which lie along its last axis.

    InstanceError when it holds more or fewer (``cure`` says what to do then), colours, complex numbers, or values that
    are no numbers.
    """
    voxels = _volumes(np.asanyarray(image.dataobj.get_unscaled()), count, cure)
    if voxels.dtype.kind not in "iuf":
        raise InstanceError("the NIfTI file holds colours or complex numbers; send real numbers")
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    return [_stored(voxels[..., place], slope, intercept) for place in range(count)]


def _stored(voxels: NDArray[Any], slope: float, intercept: float) -> StoredValues:
    """Values of one volume: as they are when 16 bits hold them, else quantised over their range."""
    if voxels.dtype.newbyteorder("=") in [np.dtype(kind) for kind in _SMALL]:
        return StoredValues(voxels, voxels.dtype.kind == "i", _decimal(slope), _decimal(intercept), None)
    lowest, highest, whole = _range(voxels, slope, intercept)
    if whole and highest - lowest <= _HIGHEST - _LOWEST:
        offset = 0.0 if lowest >= _LOWEST and highest <= _HIGHEST else lowest - _LOWEST
        return StoredValues(voxels, True, 1.0, offset, (slope, intercept))
    step = _decimal((highest - lowest) / (_HIGHEST - _LOWEST) or 1.0)
    return StoredValues(voxels, True, step, _decimal(lowest - step * _LOWEST), (slope, intercept))


def _volumes(voxels: NDArray[Any], count: int, cure: str) -> NDArray[Any]:
    """The voxels as ``(i, j, k, volume)``."""
    if voxels.ndim < 2 or 0 in voxels.shape:
        raise InstanceError("the NIfTI file holds no slices")
    held = [size for size in voxels.shape[3:] if size > 1] or [1]
    if held != [count]:
        many = "1 volume" if held == [1] else f"{' x '.join(map(str, held))} volumes"
        raise InstanceError(f"the NIfTI file holds {many}; {cure}")
    return voxels.reshape((*voxels.shape[:3], *[1] * (3 - voxels.ndim), count))


def _range(voxels: NDArray[Any], slope: float, intercept: float) -> tuple[float, float, bool]:
    """Lowest and highest value, and whether all are whole numbers; slice by slice, for the memory's sake."""
    lowest, highest, whole = np.inf, -np.inf, True
    for index in range(voxels.shape[2]):
        real = voxels[:, :, index].astype(np.float64) * slope + intercept
        if not np.isfinite(real).all():
            raise InstanceError("the NIfTI file holds voxels that are no numbers (NaN or infinite); replace them")
        lowest, highest = min(lowest, real.min()), max(highest, real.max())
        whole = whole and bool((real == np.rint(real)).all())
    return float(lowest), float(highest), whole


def _decimal(value: float) -> float:
    """The value as DICOM's DS holds it, of at most 16 characters."""
    return float(format_number_as_ds(value))
