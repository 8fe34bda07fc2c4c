"""The node refuses before the disk is full, says so once, and takes up again by itself."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import LogCapture

from ainode.fetch.fetcher import Fetcher
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal
from ainode.receive import free_space, intake
from ainode.receive.free_space import DiskNearlyFull, FreeSpace
from ainode.receive.spool import Spool
from ainode_orthanc.dicomweb import DicomWebClient
from peers import dcmtk
from peers.disk import Disk, small_disk
from peers.orthanc import OrthancServer
from peers.receiver import Receiver, association, data_set_of, receiver, store, uid_of
from peers.tiny_series import write_series

MB = 1_000_000


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    capture = LogCapture()
    for module in (free_space, intake):
        monkeypatch.setattr(module, "_log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


class Clock:
    """A second goes by with each look."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        self.now += 1
        return self.now


def _space(folder: Path, disk: Disk, *, least_bytes: int = 0, least_percent: float = 0) -> FreeSpace:
    return FreeSpace((folder,), least_bytes=least_bytes, least_percent=least_percent, clock=Clock(), statvfs=disk)


def _refuses(space: FreeSpace) -> bool:
    return space.refusal() is not None


def _metric(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


@pytest.mark.parametrize(("least_bytes", "least_percent"), [(100, 0), (0, 10), (100, 1), (1, 10)])
def test_the_higher_of_both_marks_counts_and_room_for_a_tenth_more_ends_it(
    tmp_path: Path, least_bytes: int, least_percent: float
) -> None:
    disk = Disk(total=1000, free=100)
    space = _space(tmp_path, disk, least_bytes=least_bytes, least_percent=least_percent)
    seen = []
    for disk.free in (100, 99, 100, 109, 110, 100, 99):
        seen.append(_refuses(space))
    assert seen == [False, True, True, True, False, False, True]


def test_without_marks_nothing_is_refused_however_little_is_free(tmp_path: Path) -> None:
    assert not _refuses(_space(tmp_path, Disk(total=1000, free=0)))


def test_of_several_disks_the_one_nearest_to_its_mark_counts(tmp_path: Path) -> None:
    disks = {tmp_path: Disk(total=1000, free=500), tmp_path / "spool": Disk(total=50, free=4)}
    space = FreeSpace(
        [*disks], least_bytes=1, least_percent=10, clock=Clock(), statvfs=lambda folder: disks[folder](folder)
    )
    with pytest.raises(DiskNearlyFull, match="spool") as caught:
        space.admit()
    assert caught.value.errno == errno.ENOSPC


def test_the_disk_is_not_asked_for_every_object(tmp_path: Path) -> None:
    asked = []

    def statvfs(folder: Path) -> os.statvfs_result:
        asked.append(folder)
        return os.statvfs(folder)

    space = FreeSpace((tmp_path,), least_bytes=0, least_percent=0, clock=lambda: 1.0, statvfs=statvfs)
    for _ in range(100):
        space.admit()
    assert len(asked) == 1


def test_an_object_that_is_being_received_goes_on_the_next_is_refused_and_later_taken(
    tmp_path: Path, log: list[Any]
) -> None:
    disk = Disk(total=1000, free=500)
    first, second = write_series(tmp_path / "series", images=2)
    refused, failures = _metric("ainode_disk_refusals_total"), "ainode_store_failures_total"
    before = REGISTRY.get_sample_value(failures, {"status": "A700"}) or 0.0

    def spool(folder: Path) -> Spool:
        return Spool(folder, _space(folder, disk, least_bytes=100))

    with receiver(tmp_path / "node", spool=spool) as node, association(node) as assoc:
        begun = node.spool.open(uid_of(first))
        disk.free = 99
        assert [store(assoc, data_set_of(second), sop_instance_uid=uid_of(second)) for _ in range(5)] == [0xA700] * 5
        assert _metric("ainode_disk_refusing") == 1
        begun.write(first.read_bytes())
        assert begun.keep() == first.stat().st_size
        disk.free = 500
        assert store(assoc, data_set_of(second), sop_instance_uid=uid_of(second)) == 0x0000
        assert [uid for uid, _ in node.committed()] == [uid_of(first), uid_of(second)]
    assert _metric("ainode_disk_refusals_total") == refused + 5
    assert REGISTRY.get_sample_value(failures, {"status": "A700"}) == before + 5
    assert (_metric("ainode_disk_refusing"), _metric("ainode_disk_free_bytes")) == (0, 500)
    assert [(line["event"], line["log_level"]) for line in log] == [
        ("disk nearly full", "warning"),
        ("disk has room", "info"),
    ]


def test_dcmtk_is_refused_before_a_real_disk_is_full_and_taken_again_once_there_is_room(tmp_path: Path) -> None:
    images = write_series(tmp_path / "series", images=60, rows=512)
    size = images[0].stat().st_size

    def spool(folder: Path) -> Spool:
        return Spool(folder, FreeSpace((folder,), least_bytes=15 * MB, least_percent=5, clock=Clock()))

    with small_disk(tmp_path / "disk", size=30 * MB) as disk, receiver(disk / "node", spool=spool) as node:
        refused = _refused(node, images)
        assert len(refused) + len(node.committed()) == 60
        assert len(node.committed()) >= 15 * MB // size - 2
        found = os.statvfs(disk)
        assert 15 * MB - 2 * size < found.f_bavail * found.f_frsize < 15 * MB
        for path in node.files()[:10]:
            path.unlink()
        assert _refused(node, refused[:1]) == []


def _refused(node: Receiver, images: list[Path]) -> list[Path]:
    """Send with dcmtk, whatever becomes of each; those that it hears were refused for lack of resources."""
    options = ("-v", "--no-halt")
    done = dcmtk.storescu(images, "127.0.0.1", node.port, calling="SCU", options=options, check=False)
    said = (done.stdout + done.stderr).replace(" ", "").partition("Sendingfile:")[2].split("Sendingfile:")
    assert len(said) == len(images)
    return [path for path, text in zip(images, said, strict=True) if "Refused:OutOfResources" in text]


def test_what_an_archive_offers_is_fetched_when_there_is_room_again(tmp_path: Path) -> None:
    disk = Disk(total=1000, free=0)
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    instances, studies = InstanceJournal(engine, time.time), StudyJournal(engine, time.time)
    spool = Spool(tmp_path / "spool", _space(tmp_path, disk, least_bytes=100))
    (image,) = write_series(tmp_path / "series", images=1, study_uid="1.2.3")
    now = [0.0]
    with OrthancServer(tmp_path / "orthanc") as orthanc, DicomWebClient(orthanc.dicomweb_url) as client:
        orthanc.upload(image)
        runs = RunJournal(engine, time.time)
        fetcher = Fetcher(
            "orthanc", client, spool, instances=instances, studies=studies, runs=runs, clock=lambda: now[0]
        )
        studies.touched("orthanc", ("1.2.3",), "1")
        while not fetcher.step():
            time.sleep(0.1)
        ((_, _, reason),) = studies.fetch_problems()
        assert "MiB free" in reason
        assert instances.to_index() == []
        disk.free, now[0] = 500, 100.0
        assert fetcher.step() == 1
        assert [row.sop_instance_uid for row in instances.to_index()] == [uid_of(image)]
        assert studies.fetch_problems() == []
    engine.dispose()
