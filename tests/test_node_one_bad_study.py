"""One bad study, instance or answer: what is wrong with it is said, and all others go on."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ainode.complete.archive_counts import ArchiveCounts
from ainode.complete.completer import Completer
from ainode.complete.verdict import Patience
from ainode.fetch.fetcher import Fetcher
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.journal.runs import RunJournal, RunSpec
from ainode.journal.studies import StudyJournal, StudyRow
from ainode.receive.indexer import Indexer
from ainode.receive.spool import Spool
from ainode.route.plan import Plan, Planner
from ainode.study import Study
from ainode_models.errors import AinodeError, PeerRefused, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient
from ainode_orthanc.multipart import Part
from peers.tiny_series import write_series

ARCHIVE = "pacs"
PATIENCE = Patience(quiet=5, interval=2)


class EveryStudy:
    """Rules that want the first series of every study, except one that nobody foresaw."""

    unforeseen = ""

    def plan(self, study: Study) -> Plan:
        """One run for each study."""
        if study.study_uid == self.unforeseen:
            raise ValueError("unforeseen")
        series = study.series[0]
        spec = RunSpec(study.study_uid, "all", "model", "1", "ab", {"CT": series.sop_uids}, ("sr",), (), 10)
        return Plan((spec,), frozenset({series.series_uid}), (), "")


class Archive:
    """An archive that holds some studies and does with each request what a test says."""

    def __init__(self) -> None:
        self.files: dict[str, list[Path]] = {}
        self.errors: dict[str, Exception] = {}
        self.withheld: set[str] = set()
        self.asked: list[str] = []

    def search_series(self, study_uid: str, query: object = None) -> Iterator[Dataset]:
        """The one series of a study."""
        self.asked.append(study_uid)
        if study_uid in self.errors:
            raise self.errors[study_uid]
        for path in self.files.get(study_uid, [])[:1]:
            found = dcmread(path, stop_before_pixels=True)
            found.NumberOfSeriesRelatedInstances = len(self.files[study_uid])
            yield found

    def search_instances(self, study_uid: str, series_uid: str) -> Iterator[Dataset]:
        """All instances."""
        return (dcmread(path, stop_before_pixels=True) for path in self.files[study_uid])

    def retrieve_series(self, study_uid: str, series_uid: str) -> Iterator[Part]:
        """All but those withheld."""
        for path in self.files[study_uid]:
            if path.name not in self.withheld:
                yield Part({}, iter([path.read_bytes()]))

    def retrieve_instance(self, study_uid: str, series_uid: str, *, sop_instance_uid: str) -> Iterator[Part]:
        """One of them, unless withheld."""
        for path in self.files[study_uid]:
            if dcmread(path).SOPInstanceUID == sop_instance_uid and path.name not in self.withheld:
                yield Part({}, iter([path.read_bytes()]))


class Node:
    """The stages up to the queue of runs, with a clock that a test sets, and an archive."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.folder = folder
        self.engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        self.instances = InstanceJournal(self.engine, self.clock)
        self.studies = StudyJournal(self.engine, self.clock)
        self.runs = RunJournal(self.engine, self.clock)
        self.spool = Spool(folder / "spool")
        self.indexer = Indexer(self.instances, self.spool)
        self.archive = Archive()
        self.rules = EveryStudy()
        client = cast(DicomWebClient, self.archive)
        self.completer = Completer(
            instances=self.instances,
            studies=self.studies,
            runs=self.runs,
            spool=self.spool,
            planner=cast(Planner, self.rules),
            archives=[ArchiveCounts(ARCHIVE, client)],
            patience=PATIENCE,
            clock=self.clock,
        )
        self.fetcher = Fetcher(
            ARCHIVE,
            client,
            self.spool,
            instances=self.instances,
            studies=self.studies,
            runs=self.runs,
            clock=self.clock,
        )

    def clock(self) -> float:
        """Seconds since 1970."""
        return self.now

    def series(self, seed: str, images: int = 2, **more: Any) -> tuple[str, list[Path]]:
        """Study UID and files of a new series."""
        files = write_series(self.folder / seed, images=images, seed=seed, **more)
        return str(dcmread(files[0]).StudyInstanceUID), files

    def take(self, files: list[Path]) -> None:
        """Receive and index some files."""
        for path in files:
            uid = str(dcmread(path).SOPInstanceUID)
            kept = self.spool.write(uid, [path.read_bytes()])
            self.instances.stored([StoredInstance(uid, kept.sha256, kept.path, kept.bytes, "C-STORE SCU")])
        self.indexer.step()

    def study(self, study_uid: str) -> StudyRow:
        """What the journal says of a study."""
        row = self.studies.get(study_uid)
        assert row
        return row

    def in_archive(self, seed: str, images: int = 2) -> str:
        """A study that the archive holds and tells of."""
        study_uid, files = self.series(seed, images)
        self.archive.files[study_uid] = files
        self.studies.touched(ARCHIVE, (study_uid,), seed)
        self.now += 2
        return study_uid

    def fetch(self, seconds: float = 0.0) -> None:
        """Steps of the fetcher, one each second; it may say that the archive is down."""
        for _ in range(int(seconds) + 1):
            with suppress(AinodeError, RuntimeError):
                self.fetcher.step()
            self.now += 1
        self.indexer.step()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.engine.dispose()


@pytest.mark.parametrize("how", ["file lost", "unforeseen"])
def test_a_study_that_cannot_be_looked_at_holds_up_no_other(node: Node, how: str) -> None:
    bad, files = node.series("1")
    node.take(files)
    node.now += 1
    good, others = node.series("2")
    node.take(others)
    if how == "file lost":
        for path in node.spool.folder.glob("*/*.dcm"):
            if dcmread(path).StudyInstanceUID == bad:
                path.unlink()
    else:
        node.rules.unforeseen = bad
    node.now += 6
    node.completer.step()
    assert node.study(good).state == "routed"
    assert node.study(bad).state == "waiting"
    assert "cannot be read" in node.study(bad).reason or "internal error (ValueError)" in node.study(bad).reason


def test_an_object_that_is_sent_again_because_its_file_was_lost_is_used(node: Node) -> None:
    study_uid, files = node.series("1", images=1)
    uid = str(dcmread(files[0]).SOPInstanceUID)
    kept = node.spool.write(uid, [files[0].read_bytes()])
    node.instances.stored([StoredInstance(uid, kept.sha256, kept.path, kept.bytes, "C-STORE SCU")])
    node.spool.path_of(kept.path).unlink()
    node.indexer.step()
    assert [row.reason for row in node.instances.refusals()] == [
        "its file is gone from the spool; send the object again"
    ]
    node.take(files)
    assert node.instances.refusals() == []
    assert [row.sop_instance_uid for row in node.instances.of_study(study_uid)] == [uid]


def test_a_study_that_waits_long_is_looked_at_rarely_and_at_once_when_an_image_comes(node: Node) -> None:
    study_uid, files = node.series("1", images=3)
    node.archive.files[study_uid] = files
    node.take(files[:2])
    for _ in range(3600):
        node.completer.step()
        node.now += 1
    assert "has 3 instances" in node.study(study_uid).reason
    assert len(node.archive.asked) < 100
    node.take(files[2:])
    node.completer.step()
    node.now += 2.1
    node.completer.step()
    assert node.study(study_uid).state == "routed"


def test_a_study_of_which_a_part_is_fetched_when_the_archive_stops_is_not_taken_for_complete(node: Node) -> None:
    study_uid = node.in_archive("1", images=3)
    node.take(node.archive.files[study_uid][:1])
    node.archive.errors[study_uid] = PeerUnreachable("connection refused")
    for _ in range(30):
        node.completer.step()
        node.fetch()
    assert node.study(study_uid).state == "waiting"
    assert "not all fetched from archive pacs" in node.study(study_uid).reason
    del node.archive.errors[study_uid]
    for _ in range(70):
        node.fetch()
        node.completer.step()
    assert node.study(study_uid).state == "routed"
    assert len(node.runs.of_study(study_uid)[0].spec.inputs["CT"]) == 3
    assert len(node.runs.all()) == 1


@pytest.mark.parametrize("error", [PeerUnreachable("500"), PeerRefused("404"), RuntimeError("unforeseen")], ids=repr)
def test_a_study_that_the_archive_cannot_give_holds_up_no_other_and_is_asked_for_ever_more_rarely(
    node: Node, error: Exception
) -> None:
    bad, good = node.in_archive("1"), node.in_archive("2")
    node.archive.errors[bad] = error
    node.fetch(seconds=600)
    assert node.instances.of_study(good)
    assert node.archive.asked.count(good) == 1
    assert 5 < node.archive.asked.count(bad) < 25
    assert [study_uid for _, study_uid, _ in node.studies.fetch_problems()] == [bad]
    del node.archive.errors[bad]
    node.fetch(seconds=60)
    assert node.instances.of_study(bad)
    assert node.studies.fetch_problems() == []


def test_an_archive_that_hangs_is_not_asked_for_one_study_after_the_other(node: Node) -> None:
    class Hanging:
        asked = 0

        def search_series(self, study_uid: str, query: object) -> list[Dataset]:
            """Nothing, after the time-out."""
            self.asked += 1
            node.now += 30
            raise PeerUnreachable("did not answer in time")

    archive = Hanging()
    counts = ArchiveCounts(ARCHIVE, cast(DicomWebClient, archive), clock=node.clock)
    assert [counts.of_study(f"1.2.{study}") for study in range(50)] == [{}] * 50
    assert archive.asked == 1
    node.now += 61
    counts.of_study("1.2.1")
    assert archive.asked == 2


def test_an_instance_that_the_archive_lists_and_does_not_give_is_asked_for_again(node: Node) -> None:
    study_uid = node.in_archive("1", images=3)
    node.archive.withheld.add("0002.dcm")
    node.fetch()
    assert len(node.instances.of_study(study_uid)) == 2
    assert [reason for *_, reason in node.studies.fetch_problems()] == [
        "archive pacs lists 1 instances that it did not give"
    ]
    node.archive.withheld.clear()
    node.fetch(seconds=2)
    assert len(node.instances.of_study(study_uid)) == 3


def test_an_image_that_two_studies_hold_under_one_uid_is_fetched_for_both(node: Node) -> None:
    first, files = node.series("1")
    node.take(files)
    copy = node.in_archive("2")
    for path, original in zip(node.archive.files[copy], files, strict=True):
        image = dcmread(path)
        image.SOPInstanceUID = dcmread(original).SOPInstanceUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(path)
    node.fetch()
    assert len(node.instances.of_study(copy)) == len(node.instances.of_study(first)) == 2


def test_a_clock_that_is_set_back_delays_no_study(node: Node) -> None:
    received, files = node.series("1")
    node.take(files)
    told = node.in_archive("2")
    node.completer.step()
    node.now -= 86_400
    for _ in range(8):
        node.fetch()
        node.completer.step()
    assert node.study(received).state == node.study(told).state == "routed"
