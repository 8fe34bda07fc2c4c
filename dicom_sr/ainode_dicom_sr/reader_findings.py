"""Our own reports back to the findings that they were written from.

What comes back makes the same FHIR resources, one by one. Numbers have the five significant digits of the report,
coordinates 32 bits.
What a report does not hold does not come back:

* heat maps, probabilities, and the category of an absent segment (a code of empty texts), in any way;
* the ends of a diameter (NaN) where they make no line, or the images have no frame of reference;
* voxels, colours and the label map without the segmentation: a present segment then has one voxel, black, and no map;
* the label map of a segmentation on frames of multi-frame images, as it does not say how many those have;
* that a class of which a human must decide is a normal one;
* the offset from UTC of ``started_at``, where the source images state their own: the moment is the same.
"""

from datetime import date, datetime
from types import MappingProxyType

from pydicom.dataset import Dataset
from pydicom.valuerep import DT

from ainode_dicom_sr.comments import Said, compared_in, said_in
from ainode_dicom_sr.equipment import run_named_in
from ainode_dicom_sr.reader import read
from ainode_dicom_sr.reader_groups import OwnGroups
from ainode_dicom_sr.reader_model import ReadAlgorithm, ReadEquipment, ReadReport
from ainode_dicom_sr.reader_values import items, text
from ainode_dicom_sr.reader_voxels import read_voxels
from ainode_dicom_sr.report import PARTIAL_SUMMARIES, PRIOR_REPORT, STATUSES, SUMMARIES, WEIGHTS
from ainode_models.errors import InputError
from ainode_models.findings import Algorithm, Code, Findings, Outcome, Prior
from ainode_models.uids import derived_uid

_STATUS = "111065"
"""(111065, DCM, Summary of Analyses), of a run that made no analysis."""
_OUTCOMES = MappingProxyType(
    {
        (str(code.value), *([str(STATUSES[outcome].value)] if outcome in STATUSES else [])): (outcome, partial)
        for partial, summaries in ((False, SUMMARIES), (True, PARTIAL_SUMMARIES))
        for outcome, code in summaries.items()
    }
)
"""By the codes of summary and status: the outcome, and whether something lacks."""


def findings_in(sr: Dataset, *segmentations: Dataset) -> Findings:
    """Findings that `measurement_report` wrote ``sr`` from, with the voxels of ``segmentations`` where they are given.

    Raises InputError when ``sr`` is no report of ours or was changed, or a segmentation belongs to another run, or a
    segment of the report is in none of them.
    """
    report = read(sr)
    if not isinstance(report, ReadReport):
        raise InputError(f"the object is no report but {report.kind}: give the SR of the run")
    equipment, run_id = _model(report)
    if report.sop_instance_uid != derived_uid(run_id, "SR", "SOPInstanceUID"):
        raise InputError(f"the report names run {run_id}, but its SOPInstanceUID is another's: it was changed since")
    outcome, said = _ending(report, run_id)
    algorithm = _algorithm(report, equipment, said, run_id=run_id)
    voxels = read_voxels(segmentations, run_id) if segmentations else None
    groups = OwnGroups(report.groups, run_id, algorithm, voxels)
    segments = groups.segments()
    if voxels is not None and not voxels.counts.keys() >= {each.tracking_uid for each in segments if each.voxels}:
        raise InputError(
            f"a segment of run {run_id} is in none of the segmentations: give all that its report refers to"
        )
    prior = _prior(report, sr, said, run_id=run_id)
    return Findings(
        run_id=run_id,
        outcome=outcome,
        algorithm=algorithm,
        started_at=_moment(equipment.contributed_at, run_id),
        segments=segments,
        label_map=groups.label_map(),
        failure=said.failure,
        classes=groups.classes(),
        agreement=groups.agreement(),
        lacking=said.lacking,
        remarks=said.remarks if prior is None else said.remarks[:-1],
        prior=prior,
    )


def _model(report: ReadReport) -> tuple[ReadEquipment, str]:
    for item in report.equipment:
        run_id = run_named_in(item.description)
        if run_id is not None:
            return item, run_id
    raise InputError("no item of its ContributingEquipmentSequence names a run: the report is not of ainode")


def _ending(report: ReadReport, run_id: str) -> tuple[Outcome, Said]:
    statuses = [
        each.value
        for each in report.general.evaluations
        if each.concept and each.concept.value == _STATUS and isinstance(each.value, Code)
    ]
    how = _OUTCOMES.get(tuple(code.value for code in (*report.summaries, *statuses)))
    outcome, partial = how or (None, False)
    said = said_in(report.general.comments, outcome, partial=partial) if outcome else None
    if outcome is None or said is None:
        raise InputError(f"the report of run {run_id} lacks its summary or its comments: it was changed since")
    return outcome, said


def _algorithm(report: ReadReport, equipment: ReadEquipment, said: Said, *, run_id: str) -> Algorithm:
    named = report.general.algorithms[:1] or (ReadAlgorithm(),)
    weights = [text.removeprefix(WEIGHTS) for text in named[0].parameters if text.startswith(WEIGHTS)]
    device_uid = equipment.device_uid
    (own,) = named
    if not (own.name and own.version and own.manufacturer and own.family and device_uid and len(weights) == 1):
        raise InputError(f"the report of run {run_id} does not name its model wholly: it was changed since")
    return Algorithm(
        name=own.name,
        version=own.version,
        manufacturer=own.manufacturer,
        family=own.family,
        device_uid=device_uid,
        weights_sha256=weights[0],
        intended_use=said.intended_use,
        disclaimer=said.disclaimer,
    )


def _prior(report: ReadReport, sr: Dataset, said: Said, *, run_id: str) -> Prior | None:
    """What the findings are compared with: named by a reference, and by the last of the remarks."""
    purpose = str(PRIOR_REPORT.value)
    named = [each for each in report.general.references if each.purpose and each.purpose.value == purpose]
    if not named:
        return None
    compared = compared_in(said.remarks[-1]) if said.remarks else None
    evidence = _evidence(sr, named[0].sop_instance_uid)
    if compared is None or evidence is None:
        raise InputError(f"the report of run {run_id} names a prior, but not wholly: it was changed since")
    day, version, prior_run = compared
    return Prior(
        run_id=prior_run,
        version=version,
        studied_on=date.fromisoformat(day),
        study_uid=evidence[0],
        series_uid=evidence[1],
        sop_class_uid=named[0].sop_class_uid,
        sop_instance_uid=named[0].sop_instance_uid,
    )


def _evidence(sr: Dataset, sop_instance_uid: str) -> tuple[str, str] | None:
    """Study and series of an object of another study."""
    for study in items(sr, "PertinentOtherEvidenceSequence"):
        for series in items(study, "ReferencedSeriesSequence"):
            for each in items(series, "ReferencedSOPSequence"):
                if text(each, "ReferencedSOPInstanceUID") == sop_instance_uid:
                    return text(study, "StudyInstanceUID") or "", text(series, "SeriesInstanceUID") or ""
    return None


def _moment(text: str | None, run_id: str) -> datetime:
    try:
        moment = datetime.fromisoformat(DT(text or "").isoformat())  # a plain datetime: DT compares by its text
    except (ValueError, AttributeError) as exc:
        raise InputError(f"the report of run {run_id} does not say when the analysis started") from exc
    if moment.tzinfo is None:
        raise InputError(f"the report of run {run_id} says when the analysis started, but not in which zone")
    return moment
