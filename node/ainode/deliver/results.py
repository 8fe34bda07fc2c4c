"""The encoded objects of a run, for delivery."""

from pathlib import Path

from ainode.deliver.destination import DicomObject, Result
from ainode.encode.encoder import REPORT, WITHDRAWAL
from ainode.encode.registration import NEVER, REGISTERED
from ainode.encode.reviewing import REVIEW
from ainode.journal.runs import ResultRow, RunJournal
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_models.errors import EncodingError

_DELETED = "it was deleted after its time, or by hand"


class Results:
    """Finds the files of a run by its rows in the journal."""

    def __init__(self, runs: RunJournal, folder: Path) -> None:
        self._runs = runs
        self._folder = folder

    def get(self, run_id: str, *, form: SegmentationForm = SegmentationForm.BINARY, registered: bool = False) -> Result:
        """The result of one run, SEG, PM and SC before SR and PDF, a withdrawal before the report.

        Of segmentations in several forms it has those in ``form``, or, of a run without them, those that its report
        refers to. ``registered``: for a destination that was told of the report when its run was accepted.
        """
        objects = self._runs.objects(run_id)
        groups = {item.group for item in objects}
        chosen = next((each for each in (form, *SegmentationForm) if each.kind in groups), form)
        others = {each.kind for each in SegmentationForm if each is not chosen}
        objects = [item for item in objects if item.group not in others]
        reported = any(item.kind == "FHIR" for item in objects)
        bundles = self._bundles(run_id) if reported else ()
        change = self._file(run_id, REVIEW)
        if registered and (announced := self._file(run_id, REGISTERED)):
            change = change or (bundles[-1] if reported else self._file(run_id, NEVER))
            bundles = (*bundles[:-1], announced)
        return Result(
            run_id=run_id,
            study_uid=self._runs.get(run_id).study_uid,
            dicom=tuple(self._dicom(item) for item in objects if item.kind != "FHIR"),
            bundles=bundles,
            change=change,
        )

    def _file(self, run_id: str, name: str) -> Path | None:
        path = self._folder / run_id / name
        return path if path.is_file() else None

    def _bundles(self, run_id: str) -> tuple[Path, ...]:
        withdrawal, report = (self._folder / run_id / name for name in (WITHDRAWAL, REPORT))
        if not report.is_file():  # without this, an EHR that gets nothing would count as one that has everything
            raise EncodingError(f"the report of run {run_id} is gone from the results folder; {_DELETED}")
        return (withdrawal, report) if withdrawal.is_file() else (report,)

    def _dicom(self, item: ResultRow) -> DicomObject:
        assert item.sop_class_uid
        assert item.sop_instance_uid
        assert item.series_uid
        path = self._folder / item.path
        if not path.is_file():
            raise EncodingError(f"the {item.kind} of run {item.run_id} is gone from the results folder; {_DELETED}")
        return DicomObject(
            path=path,
            sop_class_uid=item.sop_class_uid,
            sop_instance_uid=item.sop_instance_uid,
            series_uid=item.series_uid,
        )
