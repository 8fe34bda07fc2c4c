"""Stored values of an image: which library decodes which transfer syntax, and why one is refused."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLETransferSyntaxes,
    UncompressedTransferSyntaxes,
)

from ainode.dicom_file import read_dicom
from ainode.volume.codestream import check_shapes, tidied
from ainode.volume.elements import UNREADABLE, check_readable, image_name
from ainode.volume.size import check_size
from ainode_models.errors import InstanceError

PLUGINS: Mapping[UID, str] = MappingProxyType(
    dict.fromkeys(UncompressedTransferSyntaxes, "")
    | dict.fromkeys(JPEGTransferSyntaxes, "imagecodecs")
    | dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls")
    | dict.fromkeys((JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K), "pylibjpeg")
    | dict.fromkeys(RLETransferSyntaxes, "pydicom")
)
"""The one plug-in of pydicom's that decodes each transfer syntax, empty for native ones.

One, so that pixels do not depend on what else is installed. ``pylibjpeg`` is OpenJPEG, also for HTJ2K; Pillow
would scale the values of JPEG 2000 to whole bytes first.
"""


def decode_frames(image: Dataset, *, frame: int | None = None) -> NDArray[Any]:
    """Stored values of all frames, ``(frames, rows, columns)``, in colour ``(frames, rows, columns, samples)``.

    Colours stay in the space of ``PhotometricInterpretation``, but for JPEG 2000, which gives RGB; palette indices,
    MONOCHROME1 and ``PresentationLUTShape`` INVERSE (PS3.3 C.7.6.3.1.2, C.11.6) stay as stored. Pixel data come from
    the dataset, or from its ``filename`` when it was read without them. ``frame``, from 1, asks for that frame alone.
    Raises InstanceError with the reason when they are absent, cut short or cannot be decoded.
    """
    check_readable(image)
    _check_bits(image)
    decoder, plugin = _decoder(image)
    try:
        check_size(image)
        whole = image if "PixelData" in image else read_dicom(Path(str(image.filename)))
        check_shapes(whole, decoder.UID)
        whole = tidied(whole, decoder.UID)
        index = None if frame is None else frame - 1
        options = {"index": index, "raw": True, "decoding_plugin": plugin, "allow_excess_frames": False}
        decoded, _ = decoder.as_array(whole, **options)  # type: ignore[arg-type]
    except (*UNREADABLE, RuntimeError, StopIteration) as exc:
        raise InstanceError(
            f"{image_name(image)} has pixel data that are absent, cut short or damaged ({decoder.UID.name}): "
            "send the series again"
        ) from exc
    native: NDArray[Any] = decoded.astype(decoded.dtype.newbyteorder("="), copy=False)
    several = frame is None and int(image.get("NumberOfFrames") or 1) > 1
    return native if several else native[None]


def _decoder(image: Dataset) -> tuple[Decoder, str]:
    """Decoder of the image's transfer syntax, and the plug-in that it is to use."""
    syntax = UID(str(image.file_meta.get("TransferSyntaxUID") or "")) if hasattr(image, "file_meta") else UID("")
    bits = "1-bit " if image.BitsAllocated == 1 else ""
    if syntax not in PLUGINS or (bits and syntax in RLETransferSyntaxes):
        raise InstanceError(
            f"{image_name(image)} has {bits}pixels compressed as {syntax.name or 'an unknown transfer syntax'}, which "
            "this installation cannot decode: let the archive send it uncompressed"
        )
    if syntax not in JPEGTransferSyntaxes:
        return get_decoder(syntax), PLUGINS[syntax]
    decoder = Decoder(syntax)  # ours alone: pydicom's is shared by everybody in the process
    decoder.add_plugin(PLUGINS[syntax], ("ainode.volume.jpeg", "decode_frame"))
    return decoder, PLUGINS[syntax]


def _check_bits(image: Dataset) -> None:
    """Refuse pixels that are no integers in the lowest bits (PS3.5 8.1.1): they would come out as other numbers."""
    if image.get("BitsStored") is None or image.get("BitsAllocated") is None:
        raise InstanceError(
            f"{image_name(image)} has no BitsStored or no BitsAllocated: it is a parametric map or no image at all"
        )
    if image.get("HighBit") not in (None, image.BitsStored - 1):
        raise InstanceError(
            f"{image_name(image)} has its {image.BitsStored} bits below HighBit {image.HighBit}, which DICOM no longer "
            "allows: let the archive convert it"
        )
