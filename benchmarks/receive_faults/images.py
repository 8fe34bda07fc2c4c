"""Small CT images without end, no two with the same pixels."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom.dsutils import encode

SIDES = (16, 32, 64, 128, 256, 512, 1024)
"""Rows and columns: data sets of 1 kB to 2 MB."""
_SHARES = (0.2, 0.2, 0.2, 0.2, 0.12, 0.06, 0.02)
_LOWEST, _HIGHEST = 10**38, 2**128
"""Numbers of 39 digits: UIDs of one length (PS3.5 B.2), so that one header fits all images of a size."""
_INSTANCE, _STUDY, _SERIES = (f"2.25.{digit * 39}" for digit in "123")
_NOISE = np.random.default_rng(0).bytes(4 << 20)


@dataclass(frozen=True)
class Image:
    """One image as it goes over the wire."""

    uid: str
    data_set: bytes = field(repr=False)
    """In Explicit VR Little Endian."""

    @cached_property
    def sha256(self) -> str:
        """Digest of the data set."""
        return hashlib.sha256(self.data_set).hexdigest()


class ImageMaker:
    """Makes images of one series after the other."""

    def __init__(self, seed: tuple[int, ...]) -> None:
        self._random = np.random.default_rng(seed)
        self.begin_study()

    def begin_study(self) -> None:
        """Let the next images belong to a study of their own."""
        self._study, self._series = self._uid(), self._uid()

    def make(self) -> Image:
        """The next image, most of them small."""
        side = int(self._random.choice(SIDES, p=_SHARES))
        uid = self._uid()
        header = _header(side)
        for placeholder, value in ((_INSTANCE, uid), (_STUDY, self._study), (_SERIES, self._series)):
            header = header.replace(placeholder.encode(), value.encode())
        pixels = 2 * side * side
        start = 2 * int(self._random.integers(0, (len(_NOISE) - pixels) // 2))
        return Image(uid, header + _NOISE[start : start + pixels])

    def _uid(self) -> str:
        return f"2.25.{_LOWEST + int.from_bytes(self._random.bytes(16)) % (_HIGHEST - _LOWEST)}"


@lru_cache
def _header(side: int) -> bytes:
    """The encoded elements of an image up to its pixels."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, _INSTANCE
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _STUDY, _SERIES
    ds.Modality, ds.PatientName, ds.PatientID = "CT", "FAULTS^CT", "FAULTS"
    ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.StudyID = ""
    ds.SeriesNumber = ds.InstanceNumber = 1
    ds.Rows = ds.Columns = side
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.PixelData = bytes(2 * side * side)
    encoded = encode(ds, is_implicit_vr=False, is_little_endian=True)
    assert encoded
    return encoded[: -2 * side * side]
