"""What a sender hears when its object cannot be taken, and what the log tells of it."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS
from sqlalchemy.exc import OperationalError
from structlog.testing import LogCapture

from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive import associations, indexer, intake, spool
from ainode.receive.indexer import Indexer
from ainode.receive.statuses import Status
from peers import dcmtk
from peers.receiver import Receiver, association, data_set_of, receiver, store, uid_of, vanish_within
from peers.tiny_series import write_series

UID = "1.2.826.0.1.3680043.8.498.5"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Lines that the receiving stage writes; put in by hand, for a cached logger would escape ``capture_logs``."""
    capture = LogCapture()
    for module in (associations, intake, indexer):
        monkeypatch.setattr(module, "_log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path / "node") as running:
        yield running


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", images=1)[0]


def _counter(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_every_status_is_one_of_the_storage_service_and_names_its_clause() -> None:
    assert {status.code for status in Status} <= STORAGE_SERVICE_CLASS_STATUS.keys()
    assert len({status.code for status in Status}) == len(Status)
    assert [status.name for status in Status if not status.clause.startswith("PS3.")] == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_name_that_is_no_uid_is_refused_and_writes_no_file(node: Receiver, image: Path) -> None:
    with association(node) as assoc:
        for uid in ("../../../../evil", "..", "/etc/evil", "1..2", "1.02.3", "one"):
            answer = store(assoc, data_set_of(image), sop_instance_uid=uid)
            assert answer == Status.INVALID_SOP_INSTANCE.code, uid
    assert node.files() == []
    assert node.committed() == []


def test_a_full_disk_is_reported_and_the_next_object_is_stored_once_there_is_room(
    node: Receiver, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = _counter("ainode_store_failures_total", status="A700")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with association(node) as assoc:
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            assert store(assoc, data_set_of(image), sop_instance_uid=UID) == Status.OUT_OF_RESOURCES.code
        assert node.files() == []
        assert node.committed() == []
        assert store(assoc, data_set_of(image), sop_instance_uid=UID) == Status.SUCCESS.code
    assert _counter("ainode_store_failures_total", status="A700") == failures + 1


def test_a_spool_that_is_gone_is_reported_to_dcmtk(node: Receiver, image: Path) -> None:
    shutil.rmtree(node.spool.folder)
    done = dcmtk.storescu(image, "127.0.0.1", node.port, calling="SCU", options=("-v",), check=False)
    assert "OutOfResources" in (done.stdout + done.stderr).replace(" ", "")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.EIO, "Input/output error"), Status.OUT_OF_RESOURCES),
        (RuntimeError("a mistake of ours"), Status.CANNOT_UNDERSTAND),
    ],
)
def test_no_success_without_a_name_that_is_safe(
    node: Receiver, image: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: Status
) -> None:
    def fail(_folder: Path) -> None:
        raise error

    monkeypatch.setattr(spool, "sync_folder", fail)
    with association(node) as assoc:
        assert store(assoc, data_set_of(image), sop_instance_uid=UID) == status.code
        assert store(assoc, data_set_of(image), sop_instance_uid=UID) == status.code
    assert node.files() == []


def test_a_journal_that_cannot_be_written_holds_up_nobody_and_catches_up(tmp_path: Path, image: Path) -> None:
    class Journal(InstanceJournal):
        broken = True

        def stored(self, batch: Sequence[StoredInstance]) -> None:
            if self.broken:
                raise OperationalError("insert", {}, Exception("database is locked"))
            super().stored(batch)

    with receiver(tmp_path / "node", journal=Journal) as node:
        with association(node) as assoc:
            assert store(assoc, data_set_of(image), sop_instance_uid=uid_of(image)) == Status.SUCCESS.code
        indexer = Indexer(node.journal, node.spool)
        with pytest.raises(OperationalError):
            indexer.step()
        Journal.broken = False
        assert indexer.step() == 1
        assert node.journal.held([uid_of(image)]) == {uid_of(image)}
        assert len(node.files()) == 1


def test_a_sop_class_other_than_the_negotiated_one_is_refused(node: Receiver, image: Path) -> None:
    with association(node, {CTImageStorage: [ExplicitVRLittleEndian]}) as assoc:
        answer = store(assoc, data_set_of(image), sop_instance_uid=UID, sop_class_uid=MRImageStorage)
    assert answer == Status.SOP_CLASS_NOT_SUPPORTED.code


def test_an_object_without_a_data_set_is_refused(node: Receiver) -> None:
    with association(node) as assoc:
        assert store(assoc, b"", sop_instance_uid=UID) == Status.CANNOT_UNDERSTAND.code
    assert node.files() == []


def test_a_truncated_object_is_kept_and_refused_afterwards_with_the_reason(
    node: Receiver, image: Path, log: list[Any]
) -> None:
    with association(node) as assoc:
        answer = store(assoc, data_set_of(image)[:-100], sop_instance_uid=uid_of(image))
    assert answer == Status.SUCCESS.code
    assert Indexer(node.journal, node.spool).step() == 1
    (refused,) = node.journal.refusals()
    assert "truncated" in str(refused.reason)
    assert "(7FE0,0010)" in str(refused.reason)
    assert node.spool.path_of(refused.path).is_file()
    (line,) = [entry for entry in log if entry["event"] == "object refused"]
    assert line["reason"] == refused.reason


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_one_line_tells_of_each_association_and_how_it_ended(node: Receiver, image: Path, log: list[Any]) -> None:
    ended = {
        result: _counter("ainode_associations_total", result=result) for result in ("released", "aborted", "rejected")
    }
    stored = _counter("ainode_instances_received_total")
    dcmtk.storescu(image, "127.0.0.1", node.port, calling="SCU", called="SOMEONE")
    with association(node, title="STRANGER"):
        pass
    with association(node) as assoc:
        store(assoc, data_set_of(image), sop_instance_uid="no uid")
        assoc.abort()
    node.listener.stop()
    lines = [entry for entry in log if entry["event"] == "association"]
    size = sum(path.stat().st_size for path in node.files())
    assert [
        (line["calling"], line["called"], line["instances"], line["failures"], line["bytes"], line["ended"])
        for line in lines
    ] == [
        ("SCU", "SOMEONE", 1, 0, size, "released"),
        ("STRANGER", "ANY-SCP", 0, 0, 0, "rejected"),
        ("SCU", "ANY-SCP", 0, 1, 0, "aborted"),
    ]
    assert all(line["address"] == "127.0.0.1" and line["seconds"] >= 0 for line in lines)
    assert _counter("ainode_instances_received_total") == stored + 1
    for result, before in ended.items():
        assert _counter("ainode_associations_total", result=result) == before + 1


def test_an_object_whose_sender_vanishes_half_way_is_not_stored(node: Receiver, image: Path, log: list[Any]) -> None:
    with association(node) as assoc:
        # All but the end: the sender's process is killed between two PDUs, its kernel closes the connection.
        vanish_within(assoc, data_set_of(image)[:1000], sop_instance_uid=UID)
        assoc.join(20)
    node.listener.stop()
    assert node.files() == []
    assert node.committed() == []
    assert [(line["ended"], line["instances"]) for line in log] == [("aborted", 0)]


def test_no_log_at_any_level_holds_patient_data(
    node: Receiver, image: Path, log: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = dcmread(image)
    secret.PatientName, secret.PatientID, secret.PatientBirthDate = "Geheim^Name", "ID4711", "19010203"
    secret.save_as(image)
    dcmtk.storescu(image, "127.0.0.1", node.port, calling="SCU")
    with association(node) as assoc:
        store(assoc, data_set_of(image)[:-1], sop_instance_uid="1.2.3")
        store(assoc, data_set_of(image), sop_instance_uid="1.2.4")
        shutil.rmtree(node.spool.incoming)
        store(assoc, data_set_of(image), sop_instance_uid="1.2.5")
    node.spool.incoming.mkdir()
    Indexer(node.journal, node.spool).step()
    assert len(node.journal.refusals()) == 2
    everything = repr(log) + caplog.text
    assert "store failed" in everything
    assert "object refused" in everything
    assert [word for word in ("Geheim", "4711", "19010203") if word in everything] == []
