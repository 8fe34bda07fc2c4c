"""Findings that contradict themselves, or the objects that belong to them, are not written."""

from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset

from ainode_models.errors import EncodingError
from ainode_models.findings import Findings, Outcome


def require_consistent(
    findings: Findings,
    reference_sources: Sequence[Dataset],
    segmentations: Sequence[Dataset],
    explanations: Mapping[int, Dataset],
) -> None:
    """Raise EncodingError when outcome, segments or classes, and objects do not fit together."""
    outcome, present = findings.outcome, bool(findings.present)
    classes = {item.number for item in findings.classes}
    rules = {
        "has segments or classes, not both": not (findings.segments and classes),
        "has present segments only when there are findings": bool(classes) or present is (outcome is Outcome.FINDINGS),
        "has a segmentation only when there are findings": present or not segmentations,
        "has no classes when it failed": not classes or findings.analysed,
        "says how sure it is of its classes, and of nothing else": bool(classes) is (findings.agreement is not None),
        "finds something when a class that is not normal is present or undetermined, and only then": not classes
        or any(item.notable for item in findings.classes) is (outcome is Outcome.FINDINGS),
        "explains only its classes": classes.issuperset(explanations),
        "states a failure when it failed, and only then": findings.analysed is (findings.failure is None),
        "lacks something only when it was analysed": findings.analysed or not findings.lacking,
        "needs the images of its reference series unless it failed": bool(reference_sources) or not findings.analysed,
    }
    for rule, holds in rules.items():
        if not holds:
            raise EncodingError(f"run {findings.run_id} with outcome '{outcome}' contradicts itself: a run {rule}")
