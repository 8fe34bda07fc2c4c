"""Decoders other than the node's, for its pixels to equal: dcmtk, gdcm, and OpenJPH for HTJ2K, unknown to those."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

_DCMTK = dict.fromkeys(JPEGTransferSyntaxes, "dcmdjpeg") | dict.fromkeys(JPEGLSTransferSyntaxes, "dcmdjpls")
_DCMTK[RLELossless] = "dcmdrle"


def second_values(path: Path, folder: Path) -> tuple[str, NDArray[Any]]:
    """Name of the other decoder, and its stored values: ``(frames, rows, columns)``, in colour with samples last.

    ``folder`` takes the uncompressed file. gdcm is asked where dcmtk has no decoder or gives up.
    """
    image = dcmread(path)
    syntax = image.file_meta.TransferSyntaxUID
    if syntax in (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL):
        frames = generate_frames(image.PixelData, number_of_frames=int(image.get("NumberOfFrames") or 1))
        return "OpenJPH", np.stack([_expanded(frame, folder) for frame in frames])
    plain = folder / f"plain-{path.name}"
    command = [f"/usr/bin/{_DCMTK[syntax]}"] if syntax in _DCMTK else ["/usr/bin/dcmconv", "+te"]
    if subprocess.run([*command, path, plain], capture_output=True, check=False).returncode == 0:
        return "dcmtk", _native_values(dcmread(plain))
    subprocess.run(["/usr/bin/gdcmconv", "--raw", path, plain], capture_output=True, check=True)
    return "gdcm", _native_values(dcmread(plain))


def _expanded(codestream: bytes, folder: Path) -> NDArray[Any]:
    source, target = folder / "frame.j2c", folder / "frame.ppm"
    source.write_bytes(codestream)
    if codestream[40:42] == b"\0\1":  # Csiz of the SIZ marker, ISO/IEC 15444-1 A.5.1: one component is grey
        target = target.with_suffix(".pgm")
    subprocess.run(["/usr/bin/ojph_expand", "-i", source, "-o", target], capture_output=True, check=True)
    return np.asarray(Image.open(target))


def _native_values(image: Dataset) -> NDArray[Any]:
    """Values of uncompressed little-endian pixels by PS3.5 8.1.1: only the stored bits count."""
    frames, samples = int(image.get("NumberOfFrames") or 1), image.SamplesPerPixel
    shape, count = (image.Rows, image.Columns), frames * image.Rows * image.Columns * samples
    if image.BitsAllocated == 1:
        bits = np.unpackbits(np.frombuffer(image.PixelData, np.uint8), bitorder="little")
        return bits[:count].reshape(frames, *shape)
    kind = "i" if image.PixelRepresentation else "u"
    values = np.frombuffer(image.PixelData, f"<{kind}{image.BitsAllocated // 8}")[:count]
    unused = image.BitsAllocated - image.BitsStored
    values = np.right_shift(np.left_shift(values, unused), unused)
    planes: NDArray[Any] = values.reshape(frames, samples, *shape)
    if image.get("PlanarConfiguration") != 1:
        planes = np.moveaxis(values.reshape(frames, *shape, samples), -1, 1)
    return planes[:, 0] if samples == 1 else np.moveaxis(planes, 1, -1)
