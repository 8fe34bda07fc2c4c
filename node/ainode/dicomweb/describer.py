"""Reads one header for each series, so that a search need read none (docs/decisions/0007)."""

import threading

import structlog
from pydicom.dataset import Dataset

from ainode.dicomweb.attributes import SERIES, STUDY, as_json, request_ids, tag_of
from ainode.dicomweb.file_header import file_header
from ainode.journal.headers import HeaderJournal, SeriesHeader, StudyHeader, Unread
from ainode.receive.spool import Spool
from ainode.volume.elements import UNREADABLE
from ainode_models.errors import InstanceError

_log = structlog.get_logger()

_STUDIES_PER_STEP = 50


class Describer:
    """Keeps the headers of studies and series up to date with the instances; thread-safe."""

    def __init__(self, journal: HeaderJournal, spool: Spool) -> None:
        self._journal = journal
        self._spool = spool
        self._turn = threading.Lock()

    def step(self) -> int:
        """Look at studies that changed since; how many."""
        with self._turn:
            changed = self._journal.changed(_STUDIES_PER_STEP)
            return sum(self._describe(study_uid, changed_at) for study_uid, changed_at in changed)

    def _describe(self, study_uid: str, changed_at: float) -> int:
        work = self._journal.unread(study_uid)
        try:
            headers = {item: self._read(item) for item in {*work.series, *filter(None, [work.study])}}
        except OSError as exc:
            # Perhaps only for now: it stays to be read.
            _log.error("header not read for searches", study=study_uid, error=exc.strerror)
            return 0
        series = [series_header(study_uid, item, headers[item]) for item in work.series]
        study = None
        if work.study or work.empty:
            instance = work.study.instance_id if work.study else 0
            header = headers[work.study] if work.study else Dataset()
            study = study_header(study_uid, changed_at, header, instance_id=instance)
        self._journal.described(study_uid, changed_at, study=study, series=series)
        return 1

    def _read(self, item: Unread) -> Dataset:
        try:
            return file_header(self._spool.path_of(item.path))
        except (InstanceError, FileNotFoundError):
            return Dataset()  # found by its UIDs alone


def study_header(study_uid: str, changed_at: float, header: Dataset, *, instance_id: int) -> StudyHeader:
    """The header of a study, ready to be searched."""
    return StudyHeader(
        study_uid=study_uid,
        changed_at=changed_at,
        instance_id=instance_id,
        patient_id=_text(header, "PatientID"),
        patient_name=_text(header, "PatientName").casefold(),
        accession_number=_text(header, "AccessionNumber"),
        study_date=_text(header, "StudyDate").replace(".", ""),
        study_time=_text(header, "StudyTime").replace(":", ""),
        study_id=_text(header, "StudyID"),
        study_description=_text(header, "StudyDescription"),
        referring_physician=_text(header, "ReferringPhysicianName").casefold(),
        attributes=as_json(header, STUDY),
    )


def series_header(study_uid: str, item: Unread, header: Dataset) -> SeriesHeader:
    """The header of a series, ready to be searched."""
    requests = request_ids(header)
    first = (requests.get(tag_of("RequestAttributesSequence"), {}).get("Value") or [{}])[0]
    return SeriesHeader(
        study_uid=study_uid,
        series_uid=item.series_uid,
        instance_id=item.instance_id,
        modality=_text(header, "Modality"),
        series_number=_digits(_text(header, "SeriesNumber")),
        series_description=_text(header, "SeriesDescription"),
        performed_date=_text(header, "PerformedProcedureStepStartDate").replace(".", ""),
        performed_time=_text(header, "PerformedProcedureStepStartTime").replace(":", ""),
        scheduled_step_id=_first(first, "ScheduledProcedureStepID"),
        requested_procedure_id=_first(first, "RequestedProcedureID"),
        attributes=as_json(header, SERIES) | requests,
    )


def _text(header: Dataset, keyword: str) -> str:
    """A value as it is searched for; empty when there is none, or one that cannot be read."""
    try:
        value = header.get(keyword)
        return "" if value is None else str(value).strip(" \0").rstrip("^=")
    except UNREADABLE:
        return ""


def _first(item: dict[str, dict[str, list[str]]], keyword: str) -> str:
    values = item.get(tag_of(keyword), {}).get("Value") or [""]
    return str(values[0])


def _digits(text: str) -> str:
    return str(int(text)) if text.isascii() and text.isdigit() else text
