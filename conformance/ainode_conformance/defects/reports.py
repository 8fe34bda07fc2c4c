"""Defects of reports, each against a row of a template, UCUM or IHE AIR: those that our own checker is tested with."""

from collections.abc import Callable

from pydicom.dataset import Dataset

from ainode_conformance.defects.seeding import Defect
from ainode_conformance.kinds.samples import report_defects

_KINDS = {
    "found": "segmentation: findings",
    "nothing": "segmentation: nothing",
    "failed": "segmentation: failed",
    "partial": "segmentation: partial",
}


def _alone(change: report_defects.Change) -> Callable[[Dataset], None]:
    return lambda report: change(report, Dataset())


_NOTED = ("TID1500.1.value-set",)
"""A note only: the context group may be extended."""
REPORTS = tuple(
    Defect(one.rule, _KINDS[one.base], ("sr", "seg"), one.change)
    if one.base in ("found", "partial")
    else Defect(one.rule, _KINDS[one.base], ("sr",), _alone(one.change))
    for one in report_defects.DEFECTS
    if one.rule not in _NOTED
)
