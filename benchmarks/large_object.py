"""A multi-frame image of one gigabyte, and the memory that receiving it takes."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from pydicom.uid import EnhancedCTImageStorage

from ct_slices import ct_slice
from memory import PeakMemory
from receivers import Index, node
from sending import send

_FRAMES = 2000
_FRAME = 512 * 512 * 2


def write_large_object(folder: Path) -> Path:
    """Write it unless it is there; the pixels are a hole in the file (2000 frames of 512 x 512, 1.05 GB)."""
    path = folder / "large.dcm"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        ds = ct_slice(0, np.zeros((512, 512), np.int16))
        ds.SOPClassUID = EnhancedCTImageStorage
        ds.NumberOfFrames = _FRAMES
        ds.PixelData = b""
        ds.save_as(path, enforce_file_format=True)
        with path.open("r+b") as file:
            file.seek(-4, 2)  # the length of Pixel Data, which is the last element
            file.write((_FRAMES * _FRAME).to_bytes(4, "little"))
            file.truncate(file.tell() + _FRAMES * _FRAME)
    return path


def extra_megabytes(work: Path) -> float:
    """Peak of the node's memory above idle while it receives the object and reads its header."""
    path = write_large_object(work / "large")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="node-", dir=work)))
        receiver = node(folder, stack)
        memory = PeakMemory(receiver.pid)
        send([path.parent], receiver)
        Index(folder).wait_for(1)
        return memory.extra_mb
