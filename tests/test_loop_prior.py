"""A patient comes again: the node compares the new result with its own of the earlier study, and nobody else's."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.demo.phantom_series import PROTOCOLS, PhantomStudy, write_series
from ainode.journal.runs import RunRow
from ainode_dicom_sr.reader_findings import findings_in
from ainode_fhir.datatypes import RUN_SYSTEM
from ainode_models.comparison import comparison, signed
from peers.dcmtk import storescu
from peers.head_study import STUDIED_AT, head_phantom
from peers.node import NodeServer
from peers.orthanc import OrthancServer


@dataclass(frozen=True)
class Visit:
    """One study of a patient."""

    patient: str
    days: int
    """After the first."""
    seed: int
    """Of the head, whose size it decides."""

    def files(self, folder: Path) -> list[Path]:
        """Its images."""
        at = STUDIED_AT + timedelta(days=self.days)
        study = PhantomStudy(f"visit {self}", at, patient_id=self.patient, accession_number=f"A{self.days}")
        volume = head_phantom(self.seed).volumes["T1"]
        return write_series(folder / f"{self.patient} {self.days}", volume, study=study, protocol=PROTOCOLS["T1"])


def report_of(node: NodeServer, run: RunRow) -> Dataset:
    return dcmread(node.folder / "state" / "results" / run.run_id / "sr.dcm")


def send(node: NodeServer, visits: list[Visit], folder: Path) -> list[RunRow]:
    """Send studies at once; their finished runs, by the days of the visits."""
    before = len(node.look(lambda book: book.runs.all()))
    for visit in visits:
        storescu(visit.files(folder), "127.0.0.1", node.dicom_port, called="AINODE")

    def runs() -> list[RunRow]:
        found = node.look(lambda book: book.runs.all())[: -before or None]
        return found if len(found) == len(visits) and all(run.finished_at for run in found) else []

    node.wait(runs, "all runs")
    return sorted(runs(), key=lambda run: str(report_of(node, run).AccessionNumber))


def test_a_second_study_of_a_patient_continues_the_first_and_that_of_another_does_not(tmp_path: Path) -> None:
    with OrthancServer(tmp_path / "orthanc") as orthanc, NodeServer(tmp_path / "node", orthanc, quiet=2.0) as node:
        (first,) = send(node, [Visit("P-1", 0, seed=7)], tmp_path)
        second, other = send(node, [Visit("P-1", 30, seed=8), Visit("P-2", 60, seed=8)], tmp_path)
        before, now, alone = (findings_in(report_of(node, run)) for run in (first, second, other))
        (then,), (head,), (another,) = before.segments, now.segments, alone.segments
        assert before.prior is None
        assert now.prior is not None
        assert (now.prior.run_id, now.prior.version) == (first.run_id, first.model_version)
        assert now.prior.sop_instance_uid == report_of(node, first).SOPInstanceUID
        assert (head.tracking_id, head.tracking_uid) == (then.tracking_id, then.tracking_uid)
        assert head.prior_volume_ml == then.volume_ml != head.volume_ml
        said = comparison(now)
        assert said is not None
        assert said.endswith(
            f"Head then {then.volume_ml:.1f} mL, now {head.volume_ml:.1f} mL, "
            f"change {signed(head.volume_ml - then.volume_ml)} mL."
        )
        (report,) = node.reports(f"identifier={RUN_SYSTEM}|{second.run_id}")
        assert said in str(report["conclusion"])

        assert alone.prior is None
        assert another.prior_volume_ml is None
        assert another.tracking_uid != then.tracking_uid
        segments = [
            dcmread(node.folder / "state" / "results" / run.run_id / "seg.dcm").SegmentSequence[0].TrackingUID
            for run in (first, second, other)
        ]
        assert segments == [then.tracking_uid, then.tracking_uid, another.tracking_uid]
