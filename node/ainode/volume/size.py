"""How large an image may say it is: a header of some bytes would otherwise have memory taken for terabytes."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from ainode.volume.elements import image_name
from ainode_models.errors import InstanceError

MOST_IN_FRAME = 1 << 26
"""Samples of one frame: 8192 x 8192, several times the largest detector."""
MOST_IN_VOLUME = 1 << 30
"""Samples of one image with all its frames, and voxels of one volume: 4096 slices of 512 x 512."""


def check_size(image: Dataset) -> None:
    """Raise InstanceError when an image says that it is larger than any volume; no pixel is read."""
    frames, rows, columns = int(image.get("NumberOfFrames") or 1), int(image.Rows), int(image.Columns)
    samples = rows * columns * int(image.get("SamplesPerPixel") or 1)
    if samples > MOST_IN_FRAME or samples * frames > MOST_IN_VOLUME:
        raise InstanceError(
            f"{image_name(image)} says it has {frames} frames of {rows} x {columns} pixels, which is more than can be "
            f"read ({MOST_IN_FRAME} samples in a frame, {MOST_IN_VOLUME} in all): send it in parts"
        )


def check_volume_size(headers: Sequence[Dataset]) -> None:
    """Raise InstanceError when slices of the same matrix are more voxels than one volume may have."""
    voxels = len(headers) * int(headers[0].Rows) * int(headers[0].Columns)
    if voxels > MOST_IN_VOLUME:
        raise InstanceError(
            f"the series has {voxels} voxels, which is more than can be read ({MOST_IN_VOLUME}): send it in parts"
        )
