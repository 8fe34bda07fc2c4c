"""The forms that a segmentation can be written in."""

from enum import StrEnum

from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from ainode_models.uids import derived_uid


class SegmentationForm(StrEnum):
    """How a segmentation holds its segments; a report refers to the first of these that its run made."""

    BINARY = "binary"
    """A frame of one bit per pixel for each segment on each slice: what nearly every viewer reads."""
    LABELMAP = "labelmap"
    """A frame of segment numbers for each slice (PS3.3 A.51, since 2024c), RLE Lossless: small with many segments."""
    SPLIT = "split"
    """BINARY, an object for each segment, all in one series: for viewers that show the first segment alone."""

    @property
    def kind(self) -> str:
        """What the node calls such an object among those of a run; a number follows where there are several."""
        return "SEG" if self is SegmentationForm.BINARY else self.name

    @property
    def type(self) -> str:
        """``SegmentationType`` (PS3.3 C.8.20.2)."""
        return "LABELMAP" if self is SegmentationForm.LABELMAP else "BINARY"

    @property
    def words(self) -> str:
        """What ``SeriesDescription`` calls it."""
        return "SEG by segment" if self is SegmentationForm.SPLIT else self.kind

    @property
    def series_base(self) -> int:
        """``SeriesNumber`` for a reference series without one."""
        return {SegmentationForm.BINARY: 1000, SegmentationForm.LABELMAP: 5000, SegmentationForm.SPLIT: 6000}[self]

    @property
    def transfer_syntax(self) -> UID:
        """How it is encoded."""
        return RLELossless if self is SegmentationForm.LABELMAP else ExplicitVRLittleEndian

    def object_uid(self, run_id: str, number: int = 1) -> str:
        """``SOPInstanceUID`` of its only object, or of the one with that ``InstanceNumber``."""
        parts = [str(number)] if self is SegmentationForm.SPLIT else []
        return derived_uid(run_id, self.kind, "SOPInstanceUID", *parts)
