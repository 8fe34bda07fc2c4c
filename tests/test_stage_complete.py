"""When a study is complete, and the words that say why it is not; counts come from a real archive."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from ainode.complete.archive_counts import ArchiveCounts
from ainode.complete.completer import Completer
from ainode.complete.verdict import Facts, Patience, Verdict, judge
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.journal.orders import OrderJournal
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal
from ainode.orders.study_orders import StudyOrders
from ainode.receive.indexer import Indexer
from ainode.receive.spool import Spool
from ainode.route.plan import Planner
from ainode.route.rule import Priority
from ainode.settings import load_settings
from ainode_fhir.order import Number, Order
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_models.registry import Registry
from ainode_orthanc.dicomweb import DicomWebClient
from peers.head_study import write_head
from peers.node import HEAD_RULE
from peers.orthanc import OrthancServer, free_port
from peers.shared_data import ROOT
from peers.tiny_series import write_series

PATIENCE = Patience(quiet=5, interval=2)


def facts(
    *,
    quiet: float = 100,
    wanted: str = "a",
    waiting: str = "",
    held: dict[str, int] | None = None,
    unchanged: float = 100,
    **archives: dict[str, int],
) -> Facts:
    return Facts(
        quiet_for=quiet,
        wanted=frozenset(wanted),
        waiting_for=(waiting,) if waiting else (),
        held=held or {"a": 3},
        archives=archives,
        unchanged_for=unchanged,
    )


T2 = "rule 'r' waits for a series for T2"
MISSING = "archive pacs has 4 instances of series a, 3 of them are here"


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (facts(pacs={"a": 4}), Verdict("waiting", MISSING, 2)),
        (facts(pacs={"a": 3, "z": 9}, other={"a": 4}), Verdict("waiting", MISSING.replace("pacs", "other"), 2)),
        (
            facts(wanted="ab", pacs={"a": 4, "b": 1}),
            Verdict("waiting", f"{MISSING}; archive pacs has 1 instances of series b, 0 of them are here", 2),
        ),
        (facts(quiet=0, unchanged=2, pacs={"a": 3}), Verdict("complete", "as many instances as pacs")),
        (
            facts(quiet=0, unchanged=2, pacs={"a": 3}, other={"a": 3, "z": 1}),
            Verdict("complete", "as many instances as pacs and other"),
        ),
        (facts(quiet=0, unchanged=1.9, pacs={"a": 3}), Verdict("receiving", "quiet for 0.0 of 5 s", 2)),
        (facts(quiet=3.5, pacs={"a": 2}), Verdict("receiving", "quiet for 3.5 of 5 s", 1.5)),
        (facts(pacs={"a": 2}), Verdict("complete", "quiet for 5 s")),
        (facts(quiet=0, pacs={"a": 3}, other={}), Verdict("receiving", "quiet for 0.0 of 5 s", 2)),
        (facts(quiet=4.5), Verdict("receiving", "quiet for 4.5 of 5 s", 0.5)),
        (facts(quiet=5), Verdict("complete", "quiet for 5 s")),
        (facts(quiet=0, waiting=T2, pacs={"a": 3}), Verdict("receiving", "quiet for 0.0 of 5 s", 2)),
        (facts(waiting=T2, pacs={"a": 3}), Verdict("complete", f"quiet for 5 s; {T2}")),
        (facts(wanted="", waiting=T2, quiet=1), Verdict("receiving", "quiet for 1.0 of 5 s", 2)),
        (facts(wanted="", waiting=T2, pacs={"a": 9}), Verdict("waiting", T2, 2)),
        (facts(wanted="", quiet=1), Verdict("receiving", "quiet for 1.0 of 5 s", 2)),
        (facts(wanted="", pacs={"a": 9}), Verdict("unrouted", "no rule wants it")),
    ],
)
def test_the_verdict_on_a_study_follows_from_what_is_known_of_it(known: Facts, verdict: Verdict) -> None:
    assert judge(known, PATIENCE, "no rule wants it") == verdict


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


def test_an_archive_counts_each_series_and_knows_nothing_of_a_study_that_it_has_not(
    tmp_path: Path, orthanc: OrthancServer
) -> None:
    study_uid = "1.2.826.0.1.3680043.10.1"
    sizes = {"counted a": 3, "counted b": 1}
    for seed, images in sizes.items():
        for path in write_series(tmp_path / seed, images=images, seed=seed, study_uid=study_uid):
            orthanc.upload(path)
    with DicomWebClient(orthanc.dicomweb_url) as client:
        counts = ArchiveCounts("orthanc", client)
        assert sorted(counts.of_study(study_uid).values()) == [1, 3]
        assert counts.of_study("1.2.3") == {}
    with DicomWebClient(f"http://127.0.0.1:{free_port()}/dicom-web") as nobody:
        assert ArchiveCounts("nobody", nobody).of_study(study_uid) == {}


def test_a_study_waits_for_the_archive_that_has_more_of_it_and_then_gets_one_run(
    tmp_path: Path, orthanc: OrthancServer
) -> None:
    """Two archives are asked: one has the whole study, the other is down and holds nothing up."""
    study_uid, files = write_head(tmp_path / "study", 31)
    for path in files:
        orthanc.upload(path)
    (tmp_path / "rules.toml").write_text(HEAD_RULE.replace('destinations = ["orthanc"]', 'outputs = ["fhir"]'))
    (tmp_path / "ainode.toml").write_text(f'[rules]\nfile = "rules.toml"\n[models]\nfolder = "{ROOT / "models"}"\n')
    settings = load_settings(tmp_path / "ainode.toml", {})
    now = [1000.0]
    engine = open_database(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    instances = InstanceJournal(engine, lambda: now[0])
    studies, runs = StudyJournal(engine, lambda: now[0]), RunJournal(engine, lambda: now[0])
    spool = Spool(tmp_path / "spool")

    def receive(path: Path) -> None:
        uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        kept = spool.write(uid, [path.read_bytes()])
        instances.stored([StoredInstance(uid, kept.sha256, kept.path, kept.bytes, "C-STORE SCU")])
        Indexer(instances, spool).step()

    with (
        DicomWebClient(orthanc.dicomweb_url) as client,
        DicomWebClient(f"http://127.0.0.1:{free_port()}/dicom-web") as nobody,
    ):
        completer = Completer(
            instances=instances,
            studies=studies,
            runs=runs,
            spool=spool,
            planner=Planner(settings, Registry(settings.models.folder)),
            archives=[ArchiveCounts("down", nobody), ArchiveCounts("orthanc", client)],
            patience=PATIENCE,
            clock=lambda: now[0],
        )
        for path in files[:-1]:
            receive(path)
        now[0] += 60
        assert completer.step() == 0
        (row,) = studies.open()
        assert row.state == "waiting"
        assert row.reason.startswith(f"archive orthanc has {len(files)} instances of series ")
        assert row.reason.endswith(f"{len(files) - 1} of them are here")
        assert completer.step() == 0  # not due yet
        receive(files[-1])
        assert completer.step() == 0  # the counts agree, but did so only now
        assert studies.open()[0].state == "receiving"
        now[0] += PATIENCE.interval
        assert completer.step() == 1
        assert completer.step() == 0
        now[0] += 60
        receive(files[0])
        completer.step()
        now[0] += PATIENCE.interval
        completer.step()
    assert studies.open() == []
    (run,) = runs.of_study(study_uid)
    assert {name: len(uids) for name, uids in run.spec.inputs.items()} == {"T1": len(files)}
    assert runs.unfinished()
    engine.dispose()


class Waiting:
    """A completer without an archive, with a clock that a test sets; images come at the time that it says."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self._folder = folder
        self.engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        self.instances = InstanceJournal(self.engine, lambda: self.now)
        self.studies = StudyJournal(self.engine, lambda: self.now)
        self.runs = RunJournal(self.engine, lambda: self.now)
        self.spool = Spool(folder / "spool")
        self.indexer = Indexer(self.instances, self.spool)
        self.ordered = OrderJournal(self.engine, lambda: self.now)
        store = ResourceStore(self.engine, clock=lambda: datetime.now(UTC))
        self.orders = StudyOrders(self.ordered, store, Site())
        (folder / "rules.toml").write_text(HEAD_RULE.replace('destinations = ["orthanc"]', 'outputs = ["fhir"]'))
        (folder / "ainode.toml").write_text(f'[rules]\nfile = "rules.toml"\n[models]\nfolder = "{ROOT / "models"}"\n')
        self.completer = self.restarted()

    def restarted(self) -> Completer:
        """One that starts now."""
        settings = load_settings(self._folder / "ainode.toml", {})
        return Completer(
            instances=self.instances,
            studies=self.studies,
            runs=self.runs,
            spool=self.spool,
            planner=Planner(settings, Registry(settings.models.folder), is_urgent=self.orders.is_urgent),
            archives=[],
            patience=PATIENCE,
            clock=lambda: self.now,
        )

    def receive(self, files: list[Path]) -> None:
        """Some images, which are in the journal and not indexed."""
        for path in files:
            uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            kept = self.spool.write(uid, [path.read_bytes()])
            self.instances.stored([StoredInstance(uid, kept.sha256, kept.path, kept.bytes, "C-STORE SCU")])


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    waiting = Waiting(tmp_path)
    yield waiting
    waiting.engine.dispose()


def test_the_quiet_time_counts_from_the_coming_of_the_last_image_and_the_next_look_is_at_its_end(
    waiting: Waiting, tmp_path: Path
) -> None:
    _, files = write_head(tmp_path / "study", 31)
    waiting.receive(files)
    waiting.now += 3
    waiting.indexer.step()
    assert waiting.completer.step() == 0
    assert waiting.completer.rest() == pytest.approx(2)
    waiting.now += 2
    assert waiting.completer.step() == 1
    assert waiting.completer.rest() == float("inf")


def test_a_study_is_not_complete_while_images_that_may_be_its_own_wait_to_be_indexed(
    waiting: Waiting, tmp_path: Path
) -> None:
    _, files = write_head(tmp_path / "study", 31)
    waiting.receive(files[:-1])
    waiting.indexer.step()
    waiting.now += 1
    waiting.receive(files[-1:])
    waiting.now += 10
    assert waiting.completer.step() == 0
    waiting.indexer.step()
    assert waiting.completer.step() == 1
    (row,) = waiting.runs.all()
    assert len(row.spec.inputs["T1"]) == len(files)


def test_what_can_never_be_indexed_holds_up_a_study_for_a_minute_only(waiting: Waiting, tmp_path: Path) -> None:
    _, files = write_head(tmp_path / "study", 31)
    waiting.receive(files[:-1])
    waiting.indexer.step()
    waiting.receive(files[-1:])
    waiting.now += 60
    assert waiting.completer.step() == 0
    waiting.now += PATIENCE.quiet
    assert waiting.completer.step() == 1


def test_after_a_start_the_senders_that_were_cut_off_have_the_quiet_time_to_come_again(
    waiting: Waiting, tmp_path: Path
) -> None:
    _, files = write_head(tmp_path / "study", 31)
    waiting.receive(files)
    waiting.now += 100
    completer = waiting.restarted()
    waiting.indexer.step()
    assert completer.step() == 0
    waiting.now += PATIENCE.quiet
    assert completer.step() == 1


@pytest.mark.parametrize(
    ("told", "priority"),
    [
        ({"priority": "stat"}, Priority.URGENT),
        ({"priority": "urgent"}, Priority.URGENT),
        ({"priority": "routine"}, Priority.ROUTINE),
        ({"priority": "stat", "status": "revoked"}, Priority.ROUTINE),
        ({"priority": "stat", "patients": (Number("another"),)}, Priority.ROUTINE),
    ],
)
def test_a_study_that_was_ordered_as_urgent_is_so_whatever_the_rule_says(
    waiting: Waiting, tmp_path: Path, told: dict[str, Any], priority: Priority
) -> None:
    study_uid, files = write_head(tmp_path / "study", 31)
    patient = Number(str(dcmread(files[0]).PatientID))
    order = Order(placer=Number("PL-1"), study_uid=study_uid, patients=(patient,), status="active")
    waiting.ordered.keep([replace(order, **told)], "2026-03-01T12:00:00+01:00")
    waiting.receive(files)
    waiting.indexer.step()
    waiting.now += PATIENCE.quiet
    assert waiting.completer.step() == 1
    (run,) = waiting.runs.all()
    assert run.spec.priority == priority
