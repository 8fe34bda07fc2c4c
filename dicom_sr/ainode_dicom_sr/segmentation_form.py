"""The forms that a segmentation can be written in."""

from enum import StrEnum

from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless


class SegmentationForm(StrEnum):
    """How a segmentation holds its segments; the name is the Segmentation Type (PS3.3 C.8.20.2)."""

    BINARY = "binary"
    """A frame of one bit per pixel for each segment on each slice: what every viewer reads."""
    LABELMAP = "labelmap"
    """A frame of segment numbers for each slice (PS3.3 A.51, since 2024c), RLE Lossless: small with many segments."""

    @property
    def kind(self) -> str:
        """What the node calls such an object among those of a run; its UIDs depend on it."""
        return "SEG" if self is SegmentationForm.BINARY else "LABELMAP"

    @property
    def series_base(self) -> int:
        """``SeriesNumber`` for a reference series without one."""
        return 1000 if self is SegmentationForm.BINARY else 5000

    @property
    def transfer_syntax(self) -> UID:
        """How it is encoded."""
        return ExplicitVRLittleEndian if self is SegmentationForm.BINARY else RLELossless
