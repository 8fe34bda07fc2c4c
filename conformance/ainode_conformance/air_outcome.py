"""How the run ended: summary codes of CID 6047, negatives and failures (IHE AIR A.3.2)."""

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ainode_conformance.content import ContentItem
from ainode_conformance.place import place
from ainode_conformance.report_templates import FINDING, GROUP
from ainode_conformance.row import CONTAINS, Cid
from ainode_conformance.violation import Severity, Violation

_SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
_ABSENT = Code("373572006", "SCT", "Clinical finding absent")
_CODES = Cid(6047)
_ALL_SUCCEEDED = ("111241", "111242")
_WITH_FINDINGS = ("111242", "111244")
_SOME_SUCCEEDED = ("111243", "111244")
_NONE_SUCCEEDED = "111245"
_SAYING = ("CODE", "NUM", "SCOORD", "SCOORD3D", "CONTAINER")


def outcome_violations(ds: Dataset, root: ContentItem) -> Iterator[Violation]:
    """A summary that is missing, unknown, or that the flags and the groups contradict."""
    summaries = [item for item in root.walk() if item.is_named(_SUMMARY)]
    if len(summaries) != 1:
        what = f"{len(summaries)} summaries of how the run ended, (111017, DCM)"
        todo = "write one, so that a failure is told from a negative"
        yield Violation("AIR.summary.missing", place(root), what, todo, Severity.WARNING)
    for summary in summaries:
        code = summary.value
        if code is None or not _CODES.holds(code):
            yield Violation("AIR.summary.code", place(summary), "its value is not in CID 6047", "take one from there")
        else:
            yield from _consistent(ds, root, summary, code.value)


def _consistent(ds: Dataset, root: ContentItem, summary: ContentItem, code: str) -> Iterator[Violation]:
    findings = [item for item in root.walk() if item.is_named(FINDING)]
    if findings and code not in _WITH_FINDINGS:
        what, todo = "it says 'without findings', and a group has one", "correct the one or the other"
        yield Violation("AIR.summary.findings", place(findings[0]), what, todo)
    if code in _WITH_FINDINGS and not any(_says_something(item) for item in root.walk() if item.is_named(GROUP)):
        what, todo = "it says 'with findings', and no group has any", "correct the one or the other"
        yield Violation("AIR.summary.nothing", place(summary), what, todo)
    if code == _NONE_SUCCEEDED:
        yield from _failed(root)
    if code in _SOME_SUCCEEDED:
        yield from _partial(ds, root, summary)
    complete = ds.get("CompletionFlag") == "COMPLETE"
    if complete and code in _SOME_SUCCEEDED:
        what, todo = "a partial result that is said to be complete", "write PARTIAL, and what lacks"
        yield Violation("AIR.partial.complete", "CompletionFlag", what, todo)
    elif complete is not (code in _ALL_SUCCEEDED):
        what = "the summary and the Completion Flag contradict one another"
        todo = "COMPLETE if all algorithms succeeded, else PARTIAL"
        yield Violation("AIR.summary.completion", "CompletionFlag", what, todo, Severity.WARNING)


def _partial(ds: Dataset, root: ContentItem, summary: ContentItem) -> Iterator[Violation]:
    """Part of a result is there, and a reader must learn which part is not."""
    if not any(item.is_named(GROUP) for item in root.walk()):
        what = "it says that some algorithm succeeded, and there is no measurement group"
        yield Violation("AIR.partial.empty", place(summary), what, "write (111245, DCM) where nothing succeeded")
    if not ds.get("CompletionFlagDescription"):
        what, todo = "a partial result that does not say what lacks", "write Completion Flag Description (0040,A492)"
        yield Violation("AIR.partial.unsaid", "CompletionFlagDescription", what, todo, Severity.WARNING)


def _failed(root: ContentItem) -> Iterator[Violation]:
    for item in root.walk():
        if item.is_named(_ABSENT):
            what = "a failed run says that a finding is absent"
            yield Violation("AIR.negative.failed", place(item), what, "say nothing of findings after a failure")
        elif item.is_named(GROUP):
            what = "a failed run has a measurement group"
            yield Violation("AIR.negative.group", place(item), what, "write none after a failure")


def _says_something(group: ContentItem) -> bool:
    """True unless all that the group says is that a finding is absent."""
    said = (item for item in group.children if item.value_type in _SAYING and item.relation == CONTAINS)
    return any(not item.is_named(_ABSENT) for item in said)
