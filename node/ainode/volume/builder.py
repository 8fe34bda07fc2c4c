"""From the files of one series to a volume."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ainode.dicom_file import FIRST_PIXELS, read_dicom
from ainode.volume.elements import UNREADABLE
from ainode.volume.geometry import Stack, stack_slices, stacks_of_series
from ainode.volume.pixels import decode_stack
from ainode.volume.split import VolumeChoice
from ainode_models.errors import InstanceError
from ainode_models.volume import Volume

_AT_ONCE = 256 << 20
"""Bytes of files that are in memory with their pixels, beside the volume that is made of them."""


@dataclass(frozen=True)
class SeriesVolume:
    """A volume with the images that it came from."""

    volume: Volume
    sources: tuple[Dataset, ...]
    """Header of each slice, in the order of ``volume.array``: what a segmentation refers to."""
    notes: tuple[str, ...]
    """What was left out or is unusual, for people to read."""


def build_volume(images: Iterable[Path | Dataset], choice: VolumeChoice | None = None) -> SeriesVolume:
    """Volume of the images of one series, given in any order, as files or as datasets.

    Images have one frame each, or are Enhanced CT, MR or PET images (PS3.3 A.36, A.38, A.56) or Siemens mosaics.
    Slices ascend along row axis x column axis. ``choice`` picks one volume of a series that may hold several. Raises
    GeometryError when they do not form one volume, InputError for images that are not greyscale, InstanceError for
    files that are no DICOM or that cannot be decoded.
    """
    return _built(stack_slices(_headers(images), choice))


def volumes_of_series(images: Iterable[Path | Dataset]) -> Iterator[tuple[str, SeriesVolume]]:
    """Each volume of a series that holds several at one place, with what tells it from the others.

    Names such as ``"DiffusionBValue 1000"`` or ``"TemporalPositionIndex 2"``, in the order of the values; the name is
    empty when there is one volume only. Raises as ``build_volume`` does. One volume is decoded at a time.
    """
    for name, stack in stacks_of_series(_headers(images)).items():
        yield name, _built(stack)


def _headers(images: Iterable[Path | Dataset]) -> list[Dataset]:
    return [image if isinstance(image, Dataset) else read_header(image) for image in images]


def _built(stack: Stack) -> SeriesVolume:
    volume = Volume(
        array=decode_stack(stack.headers),
        affine=stack.affine,
        frame_of_reference_uid=str(stack.headers[0].FrameOfReferenceUID),
    )
    return SeriesVolume(volume=volume, sources=stack.headers, notes=stack.notes)


def read_images(paths: Iterable[Path]) -> list[Dataset]:
    """Datasets of files, with their pixels as long as that takes no more than 256 MiB; raises as ``read_header``.

    To read a file twice, its header and then its pixels, is a third of the time that a volume takes.
    """
    room = _AT_ONCE
    images = []
    for path in paths:
        size = path.stat().st_size if path.is_file() else 0
        images.append(_read(path, pixels=size <= room))
        room -= size if size <= room else 0
    return images


def drop_pixels(images: Iterable[Dataset]) -> None:
    """Leave of ``images`` what ``read_header`` gives."""
    for image in images:
        for tag in [tag for tag in image.keys() if tag >= FIRST_PIXELS]:  # noqa: SIM118 - a Dataset iterates over elements
            del image[tag]


def read_header(path: Path) -> Dataset:
    """Dataset of a file without its pixels; raises InstanceError when it is no DICOM or cannot be read."""
    return _read(path, pixels=False)


def _read(path: Path, *, pixels: bool) -> Dataset:
    try:
        return read_dicom(path, pixels=pixels)
    except InvalidDicomError as exc:
        raise InstanceError(f"{path.name} is not a DICOM file: leave it out or send it again") from exc
    except UNREADABLE as exc:
        raise InstanceError(f"{path.name} cannot be read as DICOM: send it again") from exc
