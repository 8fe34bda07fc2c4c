"""One SOP Instance UID, several objects: the same is nothing new, a different one is kept, flagged, and chosen."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from structlog.testing import capture_logs

from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, InstanceRow
from ainode.journal.studies import StudyJournal
from ainode.receive.indexer import Indexer
from ainode.receive.part10 import file_head
from ainode.receive.spool import Spool
from peers.receiver import data_set_of, uid_of
from peers.tiny_series import write_series


class Node:
    """Receiver and indexer on a clock that ticks with every object."""

    def __init__(self, folder: Path, *, newest: bool = True) -> None:
        self.engine = open_database(f"sqlite:///{folder / 'journal.db'}")
        self.journal = InstanceJournal(self.engine, time.time, newest=newest)
        self.studies = StudyJournal(self.engine, time.time)
        self.spool = Spool(folder / "spool")
        self.indexer = Indexer(self.journal, self.spool)

    def take(self, path: Path, *, calling: str = "MR1") -> None:
        """As from a C-STORE of the calling AE title."""
        header = dcmread(path)
        writer = self.spool.open(uid_of(path))
        writer.write(
            file_head(
                sop_class_uid=header.SOPClassUID,
                sop_instance_uid=uid_of(path),
                transfer_syntax_uid=header.file_meta.TransferSyntaxUID,
                source_ae_title=calling,
            )
        )
        writer.write(data_set_of(path))
        writer.keep()
        self.indexer.step()

    def used(self, study_uid: str) -> list[bytes]:
        """Data sets that a run would get."""
        return [data_set_of(self.spool.path_of(row.path)) for row in self.journal.of_study(study_uid)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def new(*, newest: bool = True) -> Node:
        nodes.append(Node(tmp_path, newest=newest))
        return nodes[-1]

    yield new
    for node in nodes:
        node.engine.dispose()


def corrected(path: Path, patient_id: str) -> Path:
    """The same image with another PatientID."""
    image = dcmread(path)
    image.PatientID = patient_id
    target = path.with_name(f"{path.stem}-{patient_id}.dcm")
    image.save_as(target)
    return target


def study_of(path: Path) -> str:
    return str(dcmread(path).StudyInstanceUID)


def conflicts_counted() -> float:
    return REGISTRY.get_sample_value("ainode_conflicting_instances_total") or 0.0


def test_the_same_data_set_from_another_sender_is_nothing_new(start: Callable[..., Node], tmp_path: Path) -> None:
    node = start()
    (path,) = write_series(tmp_path / "series", images=1)
    node.take(path, calling="MR1")
    (first,) = node.journal.of_study(study_of(path))
    study = node.studies.get(study_of(path))
    with capture_logs() as lines:
        node.take(path, calling="PACS")
        node.take(path, calling="MR1")
    assert [row.id for row in node.journal.of_study(study_of(path))] == [first.id]
    assert node.studies.get(study_of(path)) == study, "the study is not looked at again"
    assert node.journal.conflicts() == []
    assert lines == []


@pytest.mark.parametrize("newest", [True, False])
def test_another_data_set_is_kept_and_flagged_and_the_policy_chooses(
    start: Callable[..., Node], tmp_path: Path, newest: bool
) -> None:
    node = start(newest=newest)
    first, other = write_series(tmp_path / "series", images=2)
    better = corrected(first, "RIGHT")
    before = conflicts_counted()
    with capture_logs() as lines:
        for path in (first, other, better):
            node.take(path)
    assert conflicts_counted() == before + 1
    (line,) = lines
    assert (line["event"], line["study"]) == ("instance differs", study_of(first))
    assert "RIGHT" not in repr(line)
    assert {row.sop_instance_uid for row in node.journal.conflicts()} == {uid_of(first)}
    assert len(node.journal.conflicts()) == 2
    chosen = better if newest else first
    assert node.used(study_of(first)) == [
        data_set_of(path) for path in ((other, chosen) if newest else (chosen, other))
    ]


def test_what_was_sent_last_is_the_newest_also_when_it_came_before(start: Callable[..., Node], tmp_path: Path) -> None:
    node = start()
    (first,) = write_series(tmp_path / "series", images=1)
    better = corrected(first, "RIGHT")
    study = study_of(first)
    node.take(first, calling="MR1")
    node.take(better, calling="MR1")
    node.take(first, calling="MR1")
    assert node.used(study) == [data_set_of(first)]
    node.take(better, calling="PACS")
    assert node.used(study) == [data_set_of(better)]
    assert len(node.journal.conflicts()) == 2


def test_the_same_image_in_another_transfer_syntax_is_a_different_object(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start()
    (path,) = write_series(tmp_path / "series", images=1)
    image = dcmread(path)
    assert image.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    image.save_as(tmp_path / "implicit.dcm", implicit_vr=True, little_endian=True)
    node.take(path)
    node.take(tmp_path / "implicit.dcm")
    assert len(node.journal.conflicts()) == 2


def test_the_journal_tells_patients_apart_and_holds_no_id(start: Callable[..., Node], tmp_path: Path) -> None:
    node = start()
    one, two, three = write_series(tmp_path / "series", images=3)
    for path in (one, two, corrected(three, "OTHER")):
        node.take(path)
    rows: list[InstanceRow] = node.journal.of_study(study_of(one))
    patients = [row.patient for row in rows]
    assert patients[0] == patients[1] != patients[2]
    assert "OTHER" not in repr(rows)
