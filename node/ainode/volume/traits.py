"""What in a header may tell apart volumes that lie at one place: contrast, diffusion, time, reconstruction."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from ainode.volume.elements import UNREADABLE

_ELEMENTS = (
    "ComplexImageComponent",
    "DiffusionBValue",
    "DiffusionDirectionality",
    "DiffusionGradientOrientation",
    "EffectiveEchoTime",
    "EchoTime",
    "EchoNumbers",
    "InversionTimes",
    "InversionTime",
    "FlipAngle",
    "ASLContext",
    "VelocityEncodingDirection",
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "ImageType",
    "ConvolutionKernel",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "FrameReferenceTime",
    "AcquisitionTime",
    "ContentTime",
)
"""The most telling first."""

_WITHIN_VOLUME = frozenset({"StackID", "InStackPositionNumber", "ImagePositionPatient", "ImageOrientationPatient"})
_DIMENSION = "dimension "

Value = tuple[float | str, ...]
"""Values of an element, none when it is absent or cannot be read."""


@dataclass(frozen=True)
class Trait:
    """Something that may tell volumes apart."""

    name: str
    read: Callable[[Dataset], Value]
    """Its value in the header of a slice."""
    shown: bool = True
    """Whether messages may tell the value."""

    def described(self, value: Value, number: int) -> str:
        """Itself with its value, for people: ``EchoTime 30``; with ``number``, from 1, where it may not be shown."""
        if not self.shown:
            return f"{self.name}, value {number}"
        text = "\\".join(f"{one:g}" if isinstance(one, float) else one for one in value)
        return f"{self.name} {text}" if value else f"no {self.name}"


def traits_of(header: Dataset) -> list[Trait]:
    """What to look at, in order: elements, then the dimensions of an enhanced image (PS3.3 C.7.6.17).

    Left out are dimensions that say where in its volume a frame is.
    """
    try:
        names = _dimensions(header)
    except UNREADABLE:
        names = []
    told = [*_ELEMENTS, *(f"{_DIMENSION}{name}" for name in names if name not in _WITHIN_VOLUME)]
    return [Trait(name, partial(_trait_value, trait=name)) for name in told]


def _trait_value(header: Dataset, trait: str) -> Value:
    """Values of the element, or the index in that dimension."""
    try:
        if trait.startswith(_DIMENSION):
            index = _dimensions(header).index(trait.removeprefix(_DIMENSION))
            return (float(header.DimensionIndexValues[index]),)
        return _values(header.get(trait))
    except UNREADABLE:
        return ()


def _values(value: Any) -> Value:
    if value is None or value == "":
        return ()
    values = value if isinstance(value, (MultiValue, list)) else [value]
    return tuple(one if isinstance(one, str) else float(one) for one in values)


def _dimensions(header: Dataset) -> list[str]:
    pointers = [Tag(item.DimensionIndexPointer) for item in header.get("DimensionIndexSequence") or ()]
    return [keyword_for_tag(pointer) or str(pointer) for pointer in pointers]
