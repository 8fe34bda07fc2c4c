"""The real chest radiographs of the shared data, and whether a picture shows them the right way round."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ainode.volume.builder import read_header
from ainode.volume.pixels import stored_values


@dataclass(frozen=True)
class RealChest:
    """A real radiograph, and where in it are air and bone by a look at it: shares of its rows and columns."""

    name: str
    rows: tuple[float, float]
    lung: tuple[float, float]
    spine: tuple[float, float]

    def assert_shown(self, picture: NDArray[np.uint8], source: NDArray[np.uint8]) -> None:
        """The picture has the X-ray ``source`` neither turned nor inverted: the lung is darker than the spine."""
        grey, small = _xray_in(picture, source)
        ways = (grey, grey[:, ::-1], grey[::-1], grey[::-1, ::-1])
        straight, *turned = (np.corrcoef(way.ravel(), small.ravel())[0, 1] for way in ways)
        assert straight > max(0.6, *turned), (straight, turned)  # the colours of the map take some of it
        assert self._mean(grey, self.lung) + 5 < self._mean(grey, self.spine)

    def _mean(self, grey: NDArray[np.float64], columns: tuple[float, float]) -> float:
        top, bottom = (int(share * grey.shape[0]) for share in self.rows)
        left, right = (int(share * grey.shape[1]) for share in columns)
        return float(grey[top:bottom, left:right].mean())


REAL = (
    RealChest("dx-cptac.dcm", (0.75, 0.95), (0.28, 0.42), (0.5, 0.58)),
    RealChest("dx-monochrome1-j2k.dcm", (0.15, 0.45), (0.12, 0.38), (0.45, 0.54)),
)


def _xray_in(picture: NDArray[np.uint8], source: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The part of the picture that shows the X-ray, and the X-ray in that size: both in grey."""
    step = max(1, -(-max(source.shape) // 1024))
    columns, rows = source.shape[1] // step, source.shape[0] // step
    small = np.asarray(Image.fromarray(source).resize((columns, rows)), float)
    return picture.min(axis=2)[50 : 50 + rows, 10 : 10 + columns].astype(float), small


def as_seen(path: Path) -> NDArray[np.uint8]:
    """The window of an image by hand, air dark; decoded by us, as gdcm takes that JPEG 2000 amiss."""
    image = read_header(path)
    low = image.WindowCenter - image.WindowWidth / 2
    shown = np.clip((stored_values(image, frame=1)[0] - float(low)) / float(image.WindowWidth), 0, 1)
    grey = 1 - shown if image.PhotometricInterpretation == "MONOCHROME1" else shown
    return np.asarray(np.rint(255 * grey), np.uint8)
