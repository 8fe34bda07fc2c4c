"""Classes of a classifier as measurement groups of a report, by TID 1501: qualitative findings of IHE AIR 6.5.3.2."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from highdicom.sr import (
    CodedConcept,
    ContentItem,
    FindingSite,
    ImageContentItem,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode_dicom_sr.coding import PRIVATE, concept
from ainode_dicom_sr.measurement_group import (
    ABSENT,
    CERTAINTY,
    PERCENT,
    SOURCE_IMAGE,
    algorithm_identification,
    identified,
)
from ainode_models.digits import reported
from ainode_models.findings import Agreement, ClassFinding, Decision, Findings
from ainode_models.uids import derived_uid

_UNDETERMINED = CodedConcept("373068000", "SCT", "Undetermined")
_DECISIONS: Mapping[Decision, CodedConcept] = MappingProxyType(
    {
        Decision.PRESENT: CodedConcept("373573001", "SCT", "Clinical finding present"),
        Decision.ABSENT: ABSENT,
        Decision.UNCERTAIN: _UNDETERMINED,
    }
)
"""Concept names whose value is the class; "Undetermined" is CID 240's word for neither present nor absent."""
_OF_NORMAL: Mapping[Decision, CodedConcept] = MappingProxyType(
    {
        Decision.PRESENT: CodedConcept("52101004", "SCT", "Present"),
        Decision.ABSENT: CodedConcept("272519000", "SCT", "Absent"),
        Decision.UNCERTAIN: _UNDETERMINED,
    }
)
"""The same, all of CID 240, where the class says that nothing was found: its presence is no clinical finding."""

_MARGIN = CodedConcept("margin", PRIVATE, "Margin between the two most probable classes")
_DISAGREEMENT = CodedConcept("disagreement", PRIVATE, "Mean standard deviation between the nets")


def class_group(findings: Findings, item: ClassFinding, image: Dataset, explanation: Dataset | None) -> ContentItem:
    """TID 1501 group of one class: what the model makes of it, how probable it is, in which image, and why.

    Only a finding that is present has a (121071, DCM, "Finding"), which a hasty reader would take for one.
    ``explanation`` is the image that shows where the model looked.
    """
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=item.tracking_uid, identifier=item.tracking_id),
        finding_type=concept(item.type) if item.found else None,
        finding_sites=[FindingSite(concept(item.anatomy))],
        algorithm_id=algorithm_identification(findings.algorithm),
        measurements=list(_probabilities(item)),
        qualitative_evaluations=[QualitativeEvaluation(_decision(item), concept(item.type))],
    )
    group[0].ContentSequence.append(_image(SOURCE_IMAGE, image))
    if explanation is not None:
        group[0].ContentSequence.append(_image(codes.DCM.VisualExplanation, explanation))
    return identified(group[0], findings, str(item.number))


def agreement_group(findings: Findings, agreement: Agreement, image: Dataset) -> ContentItem:
    """TID 1501 group of how sure the model is of its best class, and how much its nets differ where it has several."""
    algorithm = findings.algorithm
    is_ensemble = any(item.members for item in findings.classes)
    values = [(CERTAINTY, agreement.confidence), (_MARGIN, agreement.margin)]
    if is_ensemble:
        values.append((_DISAGREEMENT, agreement.disagreement))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid("tracking", findings.run_id, "agreement"),
            identifier=f"Certainty of the best class, {algorithm.name} {algorithm.version}",
        ),
        algorithm_id=algorithm_identification(algorithm),
        measurements=[_percent(name, value) for name, value in values],
    )
    group[0].ContentSequence.append(_image(SOURCE_IMAGE, image))
    return identified(group[0], findings, "agreement")


def _decision(item: ClassFinding) -> CodedConcept:
    return (_OF_NORMAL if item.normal else _DECISIONS)[item.decision]


def _probabilities(item: ClassFinding) -> Iterable[Measurement]:
    """Of the model, and then of each of its nets, which is the method (TID 300 row 4) of its own value."""
    yield _percent(codes.DCM.Probability, item.probability)
    for name, probability in item.members.items():
        yield _percent(codes.DCM.Probability, probability, method=CodedConcept(name[:64], PRIVATE, name[:64]))


def _percent(name: CodedConcept, share: float, method: CodedConcept | None = None) -> Measurement:
    return Measurement(name, reported(100 * share), PERCENT, method=method)


def _image(name: CodedConcept, image: Dataset) -> ImageContentItem:
    contains = RelationshipTypeValues.CONTAINS
    return ImageContentItem(name, image.SOPClassUID, image.SOPInstanceUID, relationship_type=contains)
