"""The report as a whole: its kind, dates and flags, and where things stand in it (IHE AIR 6.5.3, rules A5 to A9)."""

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage, SurfaceSegmentationStorage

from ainode_conformance.content import ContentItem
from ainode_conformance.place import place
from ainode_conformance.report_templates import (
    DERIVED_MEASUREMENTS,
    GROUP,
    IMAGING_MEASUREMENTS,
    REGION,
    SEGMENT,
    SEGMENT_FRAME,
)
from ainode_conformance.row import CONTAINS
from ainode_conformance.violation import Severity, Violation

LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS = frozenset({SegmentationStorage, SurfaceSegmentationStorage, LABEL_MAP})


def kind_violations(ds: Dataset, root: ContentItem) -> Iterator[Violation]:
    """SOP class and template of an SR."""
    if ds.get("SOPClassUID") != Comprehensive3DSRStorage:
        yield Violation("AIR.A6.sop-class", "SOPClassUID", "not a Comprehensive 3D SR", "write one (IHE AIR 6.5.3.2)")
    if root.template != "1500":
        what = f"the root says that it follows template {root.template or 'none'}"
        yield Violation("AIR.A6.template", "ContentTemplateSequence", what, "write TID 1500, and say so")


def document_violations(ds: Dataset) -> Iterator[Violation]:
    """Dates and flags of an SR."""
    for keyword in ("ContentDate", "ContentTime"):
        if not ds.get(keyword):
            yield Violation("AIR.A5.missing", keyword, f"{keyword} is missing", "say when the analysis started")
    if _written_before(ds):
        what, todo = "the content is younger than the object", "say when the analysis started"
        yield Violation("AIR.A5.late", "ContentDate", what, todo, Severity.WARNING)
    yield from _flags(ds)


def placement_violations(root: ContentItem) -> Iterator[Violation]:
    """Measurement groups and what must stand in them."""
    for item in root.walk():
        for child in item.children:
            yield from _placed(item, child)
        if item.is_named(GROUP):
            yield from _group(item)


def _written_before(ds: Dataset) -> bool:
    created = f"{ds.get('InstanceCreationDate') or ''}{ds.get('InstanceCreationTime') or ''}".partition(".")[0]
    content = f"{ds.get('ContentDate') or ''}{ds.get('ContentTime') or ''}".partition(".")[0]
    return len(created) == len(content) == 14 and content > created


def _flags(ds: Dataset) -> Iterator[Violation]:
    if ds.get("VerificationFlag") != "UNVERIFIED":
        what = "software cannot attest to its own result" if ds.get("VerificationFlag") else "missing"
        todo = "write UNVERIFIED until a person attests to it (PS3.3 C.17.2)"
        yield Violation("AIR.flags.verified", "VerificationFlag", what, todo)
    if ds.get("PreliminaryFlag") != "PRELIMINARY":
        what, todo = "a result that nobody has read is not marked as preliminary", "write PRELIMINARY"
        yield Violation("AIR.flags.preliminary", "PreliminaryFlag", what, todo, Severity.WARNING)
    if ds.get("CompletionFlag") not in ("COMPLETE", "PARTIAL"):
        what, todo = "neither COMPLETE nor PARTIAL", "say whether the run finished"
        yield Violation("AIR.flags.completion", "CompletionFlag", what, todo)


def _placed(parent: ContentItem, child: ContentItem) -> Iterator[Violation]:
    contained = child.relation == CONTAINS
    if contained and child.value_type == "NUM" and not parent.is_named(GROUP, DERIVED_MEASUREMENTS):
        what, todo = "a measurement outside of a measurement group", "put it into one (TID 1410, 1411 or 1501)"
        yield Violation("AIR.A7.outside", place(child), what, todo)
    if contained and child.is_named(GROUP) and not parent.is_named(IMAGING_MEASUREMENTS):
        what, todo = "a measurement group that is not in Imaging Measurements", "put it there (TID 1500 rows 6 to 9)"
        yield Violation("AIR.A7.group", place(child), what, todo)


def _group(group: ContentItem) -> Iterator[Violation]:
    if not group.ds.get("ObservationUID"):
        what, todo = "no ObservationUID (0040,A171)", "add one: the result tree and FHIR refer to the group by it"
        yield Violation("AIR.observation-uid", place(group), what, todo, Severity.WARNING)
    for item in group.children:
        if item.value_type == "SCOORD" and not item.is_named(REGION):
            what, todo = (
                "coordinates on an image that are not (111030, DCM)",
                "name them Image Region (IHE AIR 6.5.3.4)",
            )
            yield Violation("AIR.A8.region", place(item), what, todo, Severity.WARNING)
        if item.value_type == "SCOORD3D" and not item.ds.get("ReferencedFrameOfReferenceUID"):
            what, todo = "coordinates in space without frame of reference", "add ReferencedFrameOfReferenceUID"
            yield Violation("AIR.A8.frame", place(item), what, todo)
        if item.value_type == "IMAGE" and item.is_named(SEGMENT, SEGMENT_FRAME):
            yield from _segment_reference(item)


def _segment_reference(item: ContentItem) -> Iterator[Violation]:
    references = item.ds.get("ReferencedSOPSequence") or [Dataset()]
    if references[0].get("ReferencedSOPClassUID") not in SEGMENTATIONS:
        what, todo = "a segment of an object that is no segmentation", "refer to a Segmentation (IHE AIR 6.5.3.5)"
        yield Violation("AIR.A9.sop-class", place(item), what, todo)
    if not references[0].get("ReferencedSegmentNumber"):
        what, todo = "it does not say which segment", "add ReferencedSegmentNumber (0062,000B)"
        yield Violation("AIR.A9.segment", place(item), what, todo)
