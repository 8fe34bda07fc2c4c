"""From the files of one series to a volume."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ainode.volume.elements import UNREADABLE
from ainode.volume.geometry import stack_slices
from ainode.volume.pixels import decode_stack
from ainode_models.errors import InstanceError
from ainode_models.volume import Volume


@dataclass(frozen=True)
class SeriesVolume:
    """A volume with the images that it came from."""

    volume: Volume
    sources: tuple[Dataset, ...]
    """Header of each slice, in the order of ``volume.array``: what a segmentation refers to."""
    notes: tuple[str, ...]
    """What was left out or is unusual, for people to read."""


def build_volume(images: Iterable[Path | Dataset]) -> SeriesVolume:
    """Volume of one series of single-frame images, given in any order, as files or as datasets.

    Slices ascend along row axis x column axis. Raises GeometryError when they do not form one volume,
    InputError for images that are not greyscale, InstanceError for files that are no DICOM or that cannot be
    decoded.
    """
    stack = stack_slices([image if isinstance(image, Dataset) else read_header(image) for image in images])
    volume = Volume(
        array=decode_stack(stack.headers),
        affine=stack.affine,
        frame_of_reference_uid=str(stack.headers[0].FrameOfReferenceUID),
    )
    return SeriesVolume(volume=volume, sources=stack.headers, notes=stack.notes)


def read_header(path: Path) -> Dataset:
    """Dataset of a file without its pixels; raises InstanceError when it is no DICOM or cannot be read."""
    try:
        return dcmread(path, stop_before_pixels=True)
    except InvalidDicomError as exc:
        raise InstanceError(f"{path.name} is not a DICOM file: leave it out or send it again") from exc
    except UNREADABLE as exc:
        raise InstanceError(f"{path.name} cannot be read as DICOM: send it again") from exc
