"""Findings as Comprehensive 3D SR, template TID 1500 (PS3.3 A.35.13, IHE AIR 6.5.3)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    CompositeContentItem,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode_dicom_sr.class_group import agreement_group, class_group
from ainode_dicom_sr.coding import private_scheme
from ainode_dicom_sr.comments import comments
from ainode_dicom_sr.consistency import require_consistent
from ainode_dicom_sr.equipment import Equipment
from ainode_dicom_sr.image_library import image_library, name_others
from ainode_dicom_sr.measurement_group import (
    absent_group,
    algorithm_identification,
    measured_group,
    observation_uid,
    present_group,
    referenced_segments,
)
from ainode_dicom_sr.procedure import procedures_reported, referenced_requests
from ainode_dicom_sr.result import attributes, finish, require_long_strings, series_description
from ainode_dicom_sr.source import decoded_header, require, series_number, without_identity
from ainode_models.errors import EncodingError
from ainode_models.findings import Algorithm, Findings, Outcome, Prior

_CONTAINS = RelationshipTypeValues.CONTAINS
_MODIFIER = RelationshipTypeValues.HAS_CONCEPT_MOD
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")

_QUALITATIVE_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")

SUMMARY = "summary"
"""Name of the Observation UID of how the run ended, which IHE AIR's tree of results begins with."""
PRIOR_REPORT = codes.DCM.PriorReportForCurrentPatient
"""Purpose of the reference to the report of the prior."""

WEIGHTS = "SHA-256 of weights: "
"""Begins the one parameter of the algorithm, which says which weights it had."""

SUMMARIES = {
    Outcome.FINDINGS: CodedConcept("111242", "DCM", "All algorithms succeeded; with findings"),
    Outcome.NO_FINDINGS: CodedConcept("111241", "DCM", "All algorithms succeeded; without findings"),
    Outcome.REFUSED: CodedConcept("111245", "DCM", "No algorithms succeeded; without findings"),
    Outcome.FAILED: CodedConcept("111245", "DCM", "No algorithms succeeded; without findings"),
}
"""CID 6047."""

PARTIAL_SUMMARIES = {
    Outcome.FINDINGS: CodedConcept("111244", "DCM", "Not all algorithms succeeded; with findings"),
    Outcome.NO_FINDINGS: CodedConcept("111243", "DCM", "Not all algorithms succeeded; without findings"),
}
"""CID 6047, where something lacks that was asked for beside the answer: what makes it is an algorithm, too."""

STATUSES = {
    Outcome.REFUSED: CodedConcept("111225", "DCM", "Not Attempted"),
    Outcome.FAILED: CodedConcept("111224", "DCM", "Failed"),
}
"""CID 6042: CID 6047 has one code for both."""

_DESCRIPTIONS = {
    Outcome.REFUSED: "The images were refused; this is not a negative result",
    Outcome.FAILED: "The analysis failed; this is not a negative result",
}
"""``CompletionFlagDescription``, of LO."""


def measurement_report(
    findings: Findings,
    evidence: Sequence[Dataset],
    equipment: Equipment,
    *,
    reference_sources: Sequence[Dataset] = (),
    segmentations: Sequence[Dataset] = (),
    explanations: Mapping[int, Dataset] = MappingProxyType({}),
) -> Comprehensive3DSR:
    """Report of one run, UNVERIFIED and PRELIMINARY; every outcome has one.

    ``evidence`` is the headers of all images that the model was given, ``reference_sources`` those of the series
    that the label map lies on, in its order, or that of the image that was classified; after a failure there may be
    none. ``segmentations`` are the objects that hold the present segments, one or several, if there are any: each group
    refers to the one that has its segment. ``explanations`` are the images that show where a classifier looked, by the
    number of the class. Patient, study, order and procedure come from the reference series.

    A failed or refused run is PARTIAL, has no measurement group and no (373572006, SCT, "Clinical finding absent"): it
    must never read as a negative one. Which of the two it is says (111065, DCM, "Summary of Analyses"). A run that has
    its answer, and lacks something else that was asked for, is PARTIAL and has all its groups.
    """
    require_long_strings(findings, equipment)
    require([*evidence, *reference_sources], _NEEDED)
    require_consistent(findings, reference_sources, segmentations, explanations)
    images = _unique([*reference_sources, *evidence])
    header = decoded_header(images[0])
    made = [*segmentations, *explanations.values(), *_prior_report(findings.prior)]
    try:
        groups = _segment_groups(findings, reference_sources, segmentations)
        groups += _class_groups(findings, reference_sources, explanations)
        root = _root(findings, header, images, groups)
        result = _document(findings, root, header, [*images[1:], *made], equipment=equipment)
        if pictures := _pictures(images):
            name_others(result, pictures)
        finish(result, findings, header, equipment)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EncodingError(f"the report of run {findings.run_id} cannot be written: {exc}") from exc
    return result


def _document(
    findings: Findings,
    root: Dataset,
    header: Dataset,
    others: Sequence[Dataset],
    *,
    equipment: Equipment,
) -> Comprehensive3DSR:
    result = Comprehensive3DSR(
        evidence=[without_identity(header), *others],
        content=root,
        is_complete=findings.analysed and not findings.partial,
        is_final=False,
        is_verified=False,
        requested_procedures=referenced_requests(header),
        series_number=series_number(header, 2000),
        series_description=series_description(findings, "report"),
        **attributes(findings, header, equipment, kind="SR"),
    )
    if result.CompletionFlag == "PARTIAL":
        lacking = f"Lacks {'; '.join(findings.lacking)}"[:64]
        result.CompletionFlagDescription = lacking if findings.partial else _DESCRIPTIONS[findings.outcome]
    if findings.classes:
        result.CodingSchemeIdentificationSequence = [private_scheme()]
    return result


def _prior_report(prior: Prior | None) -> list[Dataset]:
    """As much of the prior's report as a reference needs; being of another study it is pertinent other evidence."""
    if prior is None:
        return []
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = prior.sop_class_uid, prior.sop_instance_uid
    report.StudyInstanceUID, report.SeriesInstanceUID = prior.study_uid, prior.series_uid
    return [report]


def _unique(images: Sequence[Dataset]) -> list[Dataset]:
    return list({image.SOPInstanceUID: image for image in images}.values())


def _pictures(images: Sequence[Dataset]) -> list[Dataset]:
    """Those that have pixels."""
    return [image for image in images if image.get("Rows") and image.get("Columns")]


def _root(
    findings: Findings, header: Dataset, images: Sequence[Dataset], groups: Sequence[ContentItem]
) -> ContainerContentItem:
    """TID 1500, rows in their order; built by hand as highdicom's has no row 12 and always demands row 6."""
    root = ContainerContentItem(codes.DCM.ImagingMeasurementReport, is_content_continuous=False, template_id="1500")
    root.ContentSequence = ContentSequence()
    items = root.ContentSequence
    items.extend(language())
    items.extend(observer(findings.algorithm))
    for procedure in procedures_reported(header):
        items.append(CodeContentItem(codes.DCM.ProcedureReported, procedure, _MODIFIER))
    if pictures := _pictures(images):
        items.append(image_library(pictures))
    if groups:
        items.append(_container(codes.DCM.ImagingMeasurements, groups))
    items.append(_evaluations(findings))
    return root


def language() -> LanguageOfContentItemAndDescendants:
    """TID 1204: the language of all texts."""
    return LanguageOfContentItemAndDescendants(CodedConcept("en-US", "RFC5646", "English (United States)"))


def observer(algorithm: Algorithm) -> ObserverContext:
    """TID 1002 and 1004: the model is the observer (Table 6.5.3.1-1 of IHE AIR)."""
    return ObserverContext(
        codes.DCM.Device,
        DeviceObserverIdentifyingAttributes(
            uid=algorithm.device_uid, manufacturer_name=algorithm.manufacturer, model_name=algorithm.name
        ),
    )


def _segment_groups(
    findings: Findings, reference_sources: Sequence[Dataset], segmentations: Sequence[Dataset]
) -> list[ContentItem]:
    """TID 1500 rows 8 and 9: one group for each segment that the model looks for, present ones first."""
    absent = [segment for segment in findings.segments if not segment.voxels]
    regions = referenced_segments(segmentations)
    return [
        *(
            present_group(findings, segment, regions)
            if segmentations
            else measured_group(findings, segment, reference_sources)
            for segment in findings.present
        ),
        *(absent_group(findings, segment, reference_sources) for segment in absent),
    ]


def _class_groups(
    findings: Findings, reference_sources: Sequence[Dataset], explanations: Mapping[int, Dataset]
) -> list[ContentItem]:
    """TID 1500 row 9: one group for each class of a classifier, then one for how sure it is."""
    groups = [
        class_group(findings, item, reference_sources[0], explanations.get(item.number)) for item in findings.classes
    ]
    if findings.agreement is not None:
        groups.append(agreement_group(findings, findings.agreement, reference_sources[0]))
    return groups


def _evaluations(findings: Findings) -> ContainerContentItem:
    """TID 1500 rows 12 to 14: how the run ended, by which version of the model, and what every reader must know.

    The reference to the prior's report is an extension of the template.
    """
    algorithm = findings.algorithm
    weights = [f"{WEIGHTS}{algorithm.weights_sha256}"]
    how = (PARTIAL_SUMMARIES if findings.partial else SUMMARIES)[findings.outcome]
    ending = CodeContentItem(codes.DCM.CADProcessingAndFindingsSummary, how, _CONTAINS)
    ending.add_new("ObservationUID", "UI", observation_uid(findings, SUMMARY))
    summary = [ending]
    if not findings.analysed:
        summary.append(CodeContentItem(codes.DCM.SummaryOfAnalyses, STATUSES[findings.outcome], _CONTAINS))
    said = [TextContentItem(codes.DCM.Comment, text, _CONTAINS) for text in comments(findings)]
    earlier = [
        CompositeContentItem(PRIOR_REPORT, each.SOPClassUID, each.SOPInstanceUID, relationship_type=_CONTAINS)
        for each in _prior_report(findings.prior)
    ]
    items = [*algorithm_identification(algorithm, weights), *summary, *said, *earlier]
    return _container(_QUALITATIVE_EVALUATIONS, items)


def _container(name: CodedConcept, items: Sequence[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container
