"""The earlier result that a run is compared with: the newest of the same model on an earlier study of the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import structlog
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.valuerep import DA, TM

from ainode.journal.priors import PriorJournal
from ainode.journal.runs import ResultRow, RunRow
from ainode_dicom_sr.reader_findings import findings_in
from ainode_models.comparison import compared
from ainode_models.errors import AinodeError
from ainode_models.findings import Findings, Prior, Segment

log = structlog.get_logger()

_NEEDED = ("PatientID", "IssuerOfPatientID", "StudyDate", "StudyTime", "SpecificCharacterSet")


@dataclass(frozen=True)
class Priors:
    """Finds priors among the reports that the node wrote and still has."""

    journal: PriorJournal
    results: Path

    def compare(self, findings: Findings, run: RunRow, images: Sequence[Dataset]) -> Findings:
        """``findings`` beside those of the prior, or as they are where there is none.

        ``images`` are the headers of what the model was given: all must be of one patient, whom they name.
        """
        header = images[0]
        if len({_patient(image) for image in images}) > 1 or not _patient(header)[0]:
            return findings
        for row in self._earlier(run, header):
            prior = self._read(row)
            if prior is not None:
                return compared(findings, *prior)
        return findings

    def _earlier(self, run: RunRow, header: Dataset) -> list[ResultRow]:
        """Reports on the same patient's earlier studies, the newest study first, and of one study the newest run."""
        now, found = _moment(header), []
        for row in self.journal.reports(run):
            report = self._opened(row, specific_tags=list(_NEEDED))
            then = _moment(report) if report is not None and _patient(report) == _patient(header) else None
            if then and now and _is_earlier(then, now):
                found.append((then, row))
        return [row for _, row in sorted(found, key=lambda each: each[0], reverse=True)]

    def _read(self, row: ResultRow) -> tuple[Prior, Sequence[Segment]] | None:
        report = self._opened(row)
        if report is None:
            return None
        try:
            found = findings_in(report)
        except AinodeError as error:
            log.warning("prior not read", run=row.run_id, error=type(error).__name__)
            return None
        return _prior(report, found), found.segments

    def _opened(self, row: ResultRow, specific_tags: list[str] | None = None) -> Dataset | None:
        try:
            return dcmread(self.results / row.path, specific_tags=specific_tags)
        except FileNotFoundError:  # retention gave it up
            return None
        except (InvalidDicomError, OSError) as error:
            log.warning("prior not read", run=row.run_id, error=type(error).__name__)
            return None


def _prior(report: Dataset, found: Findings) -> Prior:
    day = DA(report.StudyDate)
    assert day is not None
    return Prior(
        run_id=found.run_id,
        version=found.algorithm.version,
        studied_on=date(day.year, day.month, day.day),
        study_uid=str(report.StudyInstanceUID),
        series_uid=str(report.SeriesInstanceUID),
        sop_class_uid=str(report.SOPClassUID),
        sop_instance_uid=str(report.SOPInstanceUID),
    )


def _patient(ds: Dataset) -> tuple[str, str]:
    """PatientID and who issued it: an ID alone may be another person's elsewhere."""
    return _text(ds, "PatientID"), _text(ds, "IssuerOfPatientID")


def _is_earlier(then: tuple[str, str], now: tuple[str, str]) -> bool:
    """By Study Date, and on one day by Study Time where both have one."""
    if then[0] != now[0]:
        return then[0] < now[0]
    return bool(then[1] and now[1]) and then[1] < now[1]


def _moment(ds: Dataset) -> tuple[str, str] | None:
    """Study Date as ``YYYYMMDD`` and Study Time as ``HHMMSS.FFFFFF``, empty where it is none; None without a date."""
    try:
        day = DA(_text(ds, "StudyDate").replace(".", "") or None)
    except ValueError:
        return None
    try:
        clock = TM(_text(ds, "StudyTime").replace(":", "") or None)
    except ValueError:
        clock = None
    return None if day is None else (f"{day:%Y%m%d}", f"{clock:%H%M%S.%f}" if clock else "")


def _text(ds: Dataset, keyword: str) -> str:
    return str(ds.get(keyword) or "").strip()
