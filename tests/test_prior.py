"""Which earlier result a run is compared with, and what is said of both; never of another patient's."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, Place, StoredInstance
from ainode.journal.priors import PriorJournal
from ainode.journal.runs import ResultRow, RunJournal, RunRow, RunSpec
from ainode.run.prior import Priors
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.comparison import compared, comparison
from ainode_models.findings import Code, Findings
from peers.dicom_checkers import assert_valid_iod
from peers.dicom_sources import ALGORITHM, EQUIPMENT, findings, label_map, series
from peers.prior_samples import PRIOR, tracked, with_prior

NOW = "20260104"


class Archive:
    """A journal and a results folder with runs on studies of several patients."""

    def __init__(self, engine: sa.Engine, folder: Path) -> None:
        self.folder = folder
        self.runs = RunJournal(engine, time.time)
        self.instances = InstanceJournal(engine, time.time)
        self.priors = Priors(PriorJournal(engine), folder)

    def run(self, day: str, volume: float = 1.0, *, study: str = "", finished: bool = True, **header: str) -> RunRow:
        """Put the finished run of a study with its report there; ``header`` is what its images say."""
        study = study or f"2.25.{day}"
        images = self.images(study, day, **header)
        self.store(study, str(images[0].PatientID))
        spec = RunSpec(study, "r", header.get("model", "demo"), "1", f"ab{volume}", {"T1": ("1",)}, ("sr",), (), 5)
        self.runs.create(spec)
        if finished:
            found = tracked(replace(findings(), run_id=spec.run_id))
            first, *others = found.segments
            found = replace(found, segments=(replace(first, volume_ml=volume), *others))
            row = self.write(found, images)
            self.runs.finished(spec.run_id, outcome="findings", reason=None, objects=[row])
        return self.runs.get(spec.run_id)

    def images(self, study: str, day: str, **header: str) -> list[Dataset]:
        """Headers of a study."""
        sources = series(slices=3)
        for ds in sources:
            ds.StudyInstanceUID, ds.StudyDate, ds.StudyTime = study, day, header.get("time", "101500")
            ds.PatientID, ds.IssuerOfPatientID = header.get("patient", "X-1"), header.get("issuer", "site")
        return sources

    def store(self, study: str, patient: str, image: str = "") -> None:
        """Have the journal know an image of a patient in a study."""
        self.instances.stored([StoredInstance(f"{study}.{image or patient}", patient, "p", 1, "test")])
        self.instances.settle([Place(row.id, study, "s", "c", patient) for row in self.instances.to_index()], [])

    def write(self, run: Findings, images: list[Dataset]) -> ResultRow:
        """The report as the encoder leaves it."""
        sr = measurement_report(run, images, EQUIPMENT, reference_sources=images)
        path = self.folder / run.run_id / "sr.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(sr))
        uids = {"sop_instance_uid": str(sr.SOPInstanceUID), "series_uid": str(sr.SeriesInstanceUID)}
        return ResultRow(run.run_id, "SR", f"{run.run_id}/sr.dcm", sop_class_uid=str(sr.SOPClassUID), **uids)

    def then(self, run: RunRow, day: str = NOW, **header: str) -> float | None:
        """The first label's volume in the prior of ``run``."""
        return self.compared(run, day, **header).segments[0].prior_volume_ml

    def compared(self, run: RunRow, day: str = NOW, **header: str) -> Findings:
        """The findings of ``run`` beside its prior."""
        return self.priors.compare(findings(), run, self.images(run.study_uid, day, **header))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield Archive(engine, tmp_path / "results")
    engine.dispose()


def test_the_prior_is_the_newest_result_of_an_earlier_study_of_the_same_patient(archive: Archive) -> None:
    now = archive.run(NOW, finished=False)
    assert archive.compared(now).prior is None
    archive.run("20240101", 5.0)
    prior = archive.run("20250101", 6.0)
    archive.run("20250202", 7.0, patient="X-2")
    archive.run("20250203", 8.0, issuer="other site")
    archive.run("20250204", 9.0, model="other")
    archive.run("20250205", finished=False)
    archive.run("20260105", 10.0)
    archive.run(NOW, 11.0, study="2.25.7", time="101500")
    found = archive.compared(now)
    assert found.prior is not None
    assert (found.prior.run_id, found.prior.study_uid) == (prior.run_id, "2.25.20250101")
    assert (found.prior.version, str(found.prior.studied_on)) == (ALGORITHM.version, "2025-01-01")
    assert [segment.prior_volume_ml for segment in found.segments] == [6.0, 0.0, pytest.approx(2.3796)]
    other = archive.run("20260106", finished=False, patient="X-2")
    assert archive.then(other, "20260106", patient="X-2") == 7.0
    assert archive.compared(now, patient="X-2").prior is None
    assert archive.then(now, issuer="other site") == 8.0
    assert archive.then(now, time="101501") == 11.0
    for header in ({"patient": ""}, {"issuer": ""}, {"patient": "X-3"}):
        assert archive.compared(now, **header).prior is None
    assert archive.compared(now, "").prior is None


def test_what_was_replaced_changed_or_deleted_is_no_prior(archive: Archive) -> None:
    now = archive.run(NOW, finished=False)
    archive.run("20240101", 4.0)
    archive.run("20250101", 5.0)
    newer = archive.run("20250101", 6.0)
    assert archive.then(now) == 6.0
    path = archive.folder / newer.run_id / "sr.dcm"
    changed = dcmread(path)
    changed.SOPInstanceUID = "2.25.1"
    changed.save_as(path)
    assert archive.then(now) == 4.0
    path.write_bytes(b"damaged")
    assert archive.then(now) == 4.0
    path.unlink()
    assert archive.then(now) == 4.0


def test_a_study_that_names_two_patients_has_no_prior_and_is_none(archive: Archive) -> None:
    now = archive.run(NOW, finished=False)
    archive.run("20240101", 4.0)
    mixed = archive.run("20250101", 5.0)
    assert archive.then(now) == 5.0
    archive.store(mixed.study_uid, "X-9")
    assert archive.then(now) == 4.0
    archive.store(mixed.study_uid, "X-1", image="X-9")  # corrected
    assert archive.then(now) == 5.0
    images = archive.images(now.study_uid, NOW)
    images[1].PatientID = "X-9"
    assert archive.priors.compare(findings(), now, images).prior is None
    archive.store(now.study_uid, "X-9")
    assert archive.compared(now).prior is None


def test_tracking_goes_on_for_the_same_label_alone() -> None:
    run = findings()
    necrosis, oedema, enhancing = run.segments
    earlier = [
        replace(necrosis, tracking_id="earlier", tracking_uid="2.25.1"),
        replace(oedema, anatomy=Code("1", "SCT", "Elsewhere"), tracking_uid="2.25.2"),
        replace(enhancing, label="Other name", tracking_uid="2.25.3"),
    ]
    found = compared(run, PRIOR, earlier)
    assert found.segments[1:] == (oedema, enhancing)
    assert (found.segments[0].tracking_id, found.segments[0].tracking_uid) == ("earlier", "2.25.1")
    assert found.segments[0].prior_volume_ml == necrosis.volume_ml
    assert found.prior == PRIOR
    assert compared(run, PRIOR, earlier[1:]) is run


def test_what_is_said_gives_both_volumes_and_the_change_and_no_judgement() -> None:
    assert comparison(with_prior(findings())) == (
        "Compared with the study of 2025-07-01 (version 0.9.1, run run-0): "
        "Necrosis then 12.3 mL, now 17.2 mL, change +4.9 mL; "
        "Oedema then 2.0 mL, now not found, change -2.0 mL; "
        "Enhancing tumour then not found, now 2.4 mL, change +2.4 mL."
    )
    nothing = findings(np.zeros_like(label_map()))
    said = comparison(compared(nothing, PRIOR, nothing.segments))
    assert said is not None
    assert said.endswith("run run-0): nothing was found then or now.")
    assert comparison(findings()) is None


def test_the_report_is_valid_and_refers_to_that_of_the_other_study(tmp_path: Path) -> None:
    run = with_prior(findings())
    seg = segmentation(run, series(), EQUIPMENT)
    sr = measurement_report(run, series(), EQUIPMENT, reference_sources=series(), segmentations=[seg])
    (tmp_path / "sr.dcm").write_bytes(encoded(sr))
    assert_valid_iod(tmp_path / "sr.dcm")
    (study,) = sr.PertinentOtherEvidenceSequence
    (referenced,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, referenced.SeriesInstanceUID) == (PRIOR.study_uid, PRIOR.series_uid)
    assert referenced.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == PRIOR.sop_instance_uid
    assert [item.TrackingUID for item in seg.SegmentSequence] == ["2.25.811", "2.25.813"]
