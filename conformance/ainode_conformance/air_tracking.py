"""Tracking identifiers, in segments and between report and segmentation (IHE AIR 6.5.3.7, rule A10)."""

from collections.abc import Iterator, Mapping, Sequence

from pydicom.dataset import Dataset

from ainode_conformance.content import ContentItem
from ainode_conformance.context_templates import TRACKING_UID
from ainode_conformance.place import place
from ainode_conformance.report_templates import GROUP, SEGMENT, SEGMENT_FRAME
from ainode_conformance.violation import Violation


def segment_violations(segmentation: Dataset) -> Iterator[Violation]:
    """Segments without tracking identifier or UID."""
    for segment in segmentation.get("SegmentSequence") or ():
        where = f"SegmentSequence segment {segment.get('SegmentNumber')}"
        if segment.get("SegmentNumber") == 0:  # the background of a label map is not tracked
            continue
        for kind, keyword in (("segment-id", "TrackingID"), ("segment-uid", "TrackingUID")):
            if not segment.get(keyword):
                yield Violation(f"AIR.A10.{kind}", where, f"{keyword} is missing", f"add {keyword}")


def pair_violations(root: ContentItem, segmentations: Sequence[Dataset]) -> Iterator[Violation]:
    """Groups whose tracking UID is not that of the segment that they refer to, in one of ``segmentations``."""
    known = {str(ds.get("SOPInstanceUID")): _segments(ds) for ds in segmentations}
    for group in root.walk():
        if group.is_named(GROUP):
            for item in group.children:
                if item.is_named(SEGMENT, SEGMENT_FRAME) and item.value_type == "IMAGE":
                    yield from _pair(group, item, known)


def _pair(group: ContentItem, item: ContentItem, known: Mapping[str, Mapping[int, str]]) -> Iterator[Violation]:
    reference = (item.ds.get("ReferencedSOPSequence") or [Dataset()])[0]
    segments = known.get(str(reference.get("ReferencedSOPInstanceUID")))
    number = reference.get("ReferencedSegmentNumber")
    if segments is None or not number:
        return
    numbers = [number] if isinstance(number, int) else [int(value) for value in number]
    uids = {child.text for child in group.named(TRACKING_UID)}
    for value in numbers:
        if value not in segments:
            what, todo = f"the segmentation has no segment {value}", "refer to one that it has"
            yield Violation("AIR.A10.pair-segment", place(item), what, todo)
        elif segments[value] not in uids:
            what = f"its tracking UID is not that of segment {value}"
            yield Violation("AIR.A10.pair-uid", place(group), what, "give both the same")


def _segments(ds: Dataset) -> dict[int, str]:
    items = [item for item in ds.get("SegmentSequence") or () if item.get("SegmentNumber") is not None]
    return {int(item.SegmentNumber): str(item.get("TrackingUID") or "") for item in items}
