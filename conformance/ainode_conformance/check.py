"""All checks of one object."""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from ainode_conformance.air_equipment import equipment_violations, tree_violations
from ainode_conformance.air_outcome import outcome_violations
from ainode_conformance.air_report import SEGMENTATIONS, document_violations, kind_violations, placement_violations
from ainode_conformance.air_tracking import pair_violations, segment_violations
from ainode_conformance.coding import code_violations
from ainode_conformance.content import ContentItem, content_tree
from ainode_conformance.match import group_violations, template_violations
from ainode_conformance.relationships import relationship_violations
from ainode_conformance.report_templates import GROUP, IMAGING_MEASUREMENTS
from ainode_conformance.units import unit_violations
from ainode_conformance.violation import Violation

_RESULT_TREE = "IHERADAIR1"
"""Template of the tree of results (IHE AIR A.3.1.1): a Basic Text SR that points to reports, and is none."""


def is_report(ds: Dataset) -> bool:
    """True for an SR document."""
    return "ContentSequence" in ds or ds.get("ValueType") == "CONTAINER"


def is_segmentation(ds: Dataset) -> bool:
    """True for a segmentation of any kind."""
    return ds.get("SOPClassUID") in SEGMENTATIONS


def report_violations(ds: Dataset, segmentations: Sequence[Dataset] = ()) -> list[Violation]:
    """What in the SR ``ds`` breaks TID 1500, UCUM or IHE AIR; with ``segmentations``, also what is between them."""
    root = content_tree(ds)
    if root.template == _RESULT_TREE:
        return [*relationship_violations(root), *document_violations(ds), *equipment_violations(ds)]
    return [
        *template_violations(root, "1500"),
        *_stray_groups(root),
        *relationship_violations(root),
        *unit_violations(root),
        *code_violations(root),
        *kind_violations(ds, root),
        *document_violations(ds),
        *equipment_violations(ds),
        *tree_violations(ds, root),
        *placement_violations(root),
        *pair_violations(root, segmentations),
        *outcome_violations(ds, root),
    ]


def _stray_groups(root: ContentItem) -> Iterator[Violation]:
    """Measurement groups where TID 1500 has none still follow a template."""
    for item in root.walk():
        if not item.is_named(IMAGING_MEASUREMENTS):
            for group in item.named(GROUP):
                yield from group_violations(group)


def segmentation_violations(ds: Dataset) -> list[Violation]:
    """What in the segmentation ``ds`` breaks IHE AIR."""
    return [*equipment_violations(ds), *segment_violations(ds)]
