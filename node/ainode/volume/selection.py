"""Which images of a series can form a volume at all."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from ainode.volume.elements import check_image, check_readable, image_name
from ainode.volume.frame_headers import frame_headers, is_multiframe
from ainode.volume.mosaic import is_mosaic, tile_headers
from ainode_models.errors import GeometryError, InputError, InstanceError

_PLACE = ("InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient")


def select_images(headers: Sequence[Dataset]) -> tuple[list[Dataset], list[str]]:
    """The greyscale slices that are no localizers, one header each, and a note on what was left out.

    Frames of enhanced images and tiles of mosaics come as headers of their own. Raises GeometryError or InputError for
    a series that holds none, or holds others.
    """
    images, notes = _without_copies(headers)
    images, dropped = _without_localizers([part for header in images for part in _one_slice_each(header)])
    for header in images:
        _refuse_other_kinds(header)
    return images, notes + dropped


def _without_copies(headers: Sequence[Dataset]) -> tuple[list[Dataset], list[str]]:
    """One of each SOP Instance UID: the same object may have come in twice."""
    images: dict[str, Dataset] = {}
    for header in headers:
        if not (uid := header.get("SOPInstanceUID")):
            raise InstanceError(f"{image_name(header)} has no SOPInstanceUID: send it again")
        first = images.setdefault(uid, header)
        if any(first.get(keyword) != header.get(keyword) for keyword in _PLACE):
            raise GeometryError(
                f"{image_name(first)} and {image_name(header)} lie apart but have the same SOPInstanceUID: "
                "send the series again from the scanner"
            )
    copies = len(headers) - len(images)
    return list(images.values()), [f"{copies} second copies of images were left out"] if copies else []


def _without_localizers(headers: list[Dataset]) -> tuple[list[Dataset], list[str]]:
    images = [header for header in headers if "LOCALIZER" not in image_type(header)]
    if not images:
        what = "only localizers" if headers else "no images"
        raise GeometryError(f"the series has {what}: route a series of slices to the model")
    dropped = len(headers) - len(images)
    return images, [f"{dropped} localizers were left out"] if dropped else []


def image_type(header: Dataset) -> tuple[str, ...]:
    """``ImageType`` as text values, PS3.3 C.7.6.1.1.2; empty when absent."""
    value = header.get("ImageType") or ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)


def _one_slice_each(header: Dataset) -> list[Dataset]:
    """The header, or one for each frame or tile of an image that holds several slices."""
    if is_multiframe(header):
        slices = frame_headers(header)
    elif is_mosaic(header):
        check_image(header)
        slices = tile_headers(header)
    else:
        return [header]
    for item in slices:
        check_readable(item)
    return slices


def _refuse_other_kinds(header: Dataset) -> None:
    check_image(header)
    if header.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"{image_name(header)} is not a greyscale image "
            f"(PhotometricInterpretation {header.PhotometricInterpretation})"
        )
