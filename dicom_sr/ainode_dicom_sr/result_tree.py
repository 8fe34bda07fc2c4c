"""The tree of results of a run (IHE AIR A.3.1.1): what there is to show, and where it is, for viewers that walk it.

Written after the samples ex311 and ex321 of IHE's committee, whose codes are kept. They have none for a result that is
no region: the node's name is then that of DICOM for what it points to.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from highdicom.base import SOPClass
from highdicom.sr import (
    CodedConcept,
    CompositeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    EnhancedSR,
    RelationshipTypeValues,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import BasicTextSRStorage

from ainode_dicom_sr.coding import PRIVATE, private_scheme
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.measurement_group import observation_uid
from ainode_dicom_sr.procedure import referenced_requests
from ainode_dicom_sr.report import SUMMARY, language, observer
from ainode_dicom_sr.result import attributes, finish, series_description
from ainode_dicom_sr.source import decoded_header, require, series_number, without_identity
from ainode_models.errors import EncodingError
from ainode_models.findings import ClassFinding, Decision, Findings, Outcome

TEMPLATE = "IHERADAIR1"
_CONTAINS = RelationshipTypeValues.CONTAINS
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TITLE = CodedConcept("result", PRIVATE, "Result of an AI model")
_SHORT_LABEL = CodedConcept("125309", "DCM", "Short Label")
_ROOT_RESULT = CodedConcept("AIR003", "99IHE", "Root Result")
_CHILD_NODE = CodedConcept("AIR004", "99IHE", "Child Node")
_OBSERVATION = CodedConcept("AIR005", "99IHE", "Referenced Observation UID")
_REGION = CodedConcept("AIR035", "99IHE", "Region")
_PARAMETRIC_MAP = CodedConcept("AIR036", "99IHE", "Parametric Map")
_ENDINGS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.FINDINGS: "Findings",
        Outcome.NO_FINDINGS: "Nothing found",
        Outcome.REFUSED: "IMAGES REFUSED, not a negative result",
        Outcome.FAILED: "FAILED, not a negative result",
    }
)
_DECISIONS: Mapping[Decision, str] = MappingProxyType(
    {Decision.PRESENT: "present", Decision.ABSENT: "absent", Decision.UNCERTAIN: "undetermined"}
)


def result_tree(
    findings: Findings,
    report: Dataset,
    equipment: Equipment,
    *,
    sources: Sequence[Dataset],
    explanations: Mapping[int, Dataset] = MappingProxyType({}),
    maps: Mapping[int, Dataset] = MappingProxyType({}),
) -> SOPClass:
    """Basic Text SR Storage (1.2.840.10008.5.1.4.1.1.88.11) that points to ``report``, and to each of its groups.

    ``sources`` are the images that the report is on, ``explanations`` as `measurement_report` takes them,
    ``maps`` the Parametric Maps by the number of their segment. The labels of
    the nodes say what was found and what was not: a name alone would read as a finding.
    """
    require(sources, _NEEDED)
    header = decoded_header(sources[0])
    try:
        shown = {**explanations, **maps}  # a run has segments or classes, so their numbers do not meet
        result = _document(findings, report, header, shown, equipment=equipment)
        finish(result, findings, header, equipment)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the tree of results of run {findings.run_id} cannot be written: {exc}") from exc
    return result


def _document(
    findings: Findings, report: Dataset, header: Dataset, shown: Mapping[int, Dataset], *, equipment: Equipment
) -> SOPClass:
    result = EnhancedSR(
        evidence=[without_identity(header), report, *shown.values()],
        record_evidence=False,
        content=_root(findings, report, shown),
        is_complete=findings.analysed and not findings.partial,
        is_final=False,
        is_verified=False,
        requested_procedures=referenced_requests(header),
        series_number=series_number(header, 7000),
        series_description=series_description(findings, "tree of results"),
        **attributes(findings, header, equipment, kind="TREE"),
    )
    # highdicom has no class for Basic Text SR, whose modules are the same (PS3.3 Tables A.35.1-1, A.35.2-1).
    result.SOPClassUID = result.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    if result.CompletionFlag == "PARTIAL":
        result.CompletionFlagDescription = report.CompletionFlagDescription
    result.CodingSchemeIdentificationSequence = [private_scheme()]
    return result


def _root(findings: Findings, report: Dataset, shown: Mapping[int, Dataset]) -> ContainerContentItem:
    algorithm = findings.algorithm
    partial = ", PARTIAL" if findings.partial else ""
    label = f"{_ENDINGS[findings.outcome]}{partial}: {algorithm.name} {algorithm.version}"
    root = ContainerContentItem(_TITLE, is_content_continuous=False, template_id=TEMPLATE)
    root.ContentTemplateSequence[0].MappingResource = "99IHE"  # DCMR has no such template
    root.ContentSequence = ContentSequence(
        [*language(), *observer(algorithm), *_reference(label, _ROOT_RESULT, report, findings=findings, name=SUMMARY)],
        is_root=False,
    )
    root.ContentSequence.extend(_segments(findings, report, shown))
    root.ContentSequence.extend(_classes(findings, report, shown))
    return root


def _segments(findings: Findings, report: Dataset, maps: Mapping[int, Dataset]) -> Iterable[ContentItem]:
    """Those that are there first, as in the report."""
    refers = any(_refers_to_segment(group) for group in _groups(report))
    for segment in sorted(findings.segments, key=lambda each: not each.voxels):
        kind = _REGION if segment.voxels and refers else codes.DCM.MeasurementGroup
        label = segment.label if segment.voxels else f"{segment.label}: not found"
        items = _reference(label, kind, report, findings=findings, name=str(segment.number))
        if segment.number in maps:
            items.append(_node(_object(f"Probability of {segment.label}", maps[segment.number], _PARAMETRIC_MAP)))
        yield _node(items)


def _classes(findings: Findings, report: Dataset, explanations: Mapping[int, Dataset]) -> Iterable[ContentItem]:
    kind = codes.DCM.MeasurementGroup
    for item in findings.classes:
        items = _reference(_said_of(item), kind, report, findings=findings, name=str(item.number))
        if item.number in explanations:
            items.append(_node(_object(f"Heat map of {item.label}", explanations[item.number])))
        yield _node(items)
    if findings.agreement is not None:
        yield _node(_reference("Certainty of the best class", kind, report, findings=findings, name="agreement"))


def _said_of(item: ClassFinding) -> str:
    return f"{item.label}: {_DECISIONS[item.decision]}"


def _groups(report: Dataset) -> Iterable[Dataset]:
    return (
        group
        for section in report.ContentSequence
        if section.ConceptNameCodeSequence[0] == codes.DCM.ImagingMeasurements
        for group in section.ContentSequence
    )


def _refers_to_segment(group: Dataset) -> bool:
    return any(item.ConceptNameCodeSequence[0] == codes.DCM.ReferencedSegment for item in group.ContentSequence)


def _node(items: Sequence[ContentItem]) -> ContainerContentItem:
    node = ContainerContentItem(_CHILD_NODE, is_content_continuous=False, relationship_type=_CONTAINS)
    node.ContentSequence = ContentSequence(items)
    return node


def _object(label: str, instance: Dataset, kind: CodedConcept = codes.DCM.VisualExplanation) -> list[ContentItem]:
    """What every node says: its label, and which object it is about."""
    return [
        TextContentItem(_SHORT_LABEL, label, _CONTAINS),
        CompositeContentItem(kind, instance.SOPClassUID, instance.SOPInstanceUID, _CONTAINS),
    ]


def _reference(label: str, kind: CodedConcept, report: Dataset, *, findings: Findings, name: str) -> list[ContentItem]:
    """The same of an observation in the report, by its ObservationUID (0040,A171)."""
    return [*_object(label, report, kind), UIDRefContentItem(_OBSERVATION, observation_uid(findings, name), _CONTAINS)]
