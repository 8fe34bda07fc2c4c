"""The outbox: when it tries again, when it gives up, and that nothing waits for a destination that is down."""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
import structlog
from pydicom import dcmread

from ainode.deliver.destination import DicomObject, Result
from ainode.deliver.outbox import Outbox, RetryPolicy
from ainode.deliver.stow import StowDestination
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal, DeliveryRow
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.journal.tables import instances
from ainode_models.errors import InstanceError, PeerRefused, PeerUnreachable
from ainode_orthanc.dicomweb import DicomWebClient
from peers.orthanc import OrthancServer, free_port
from peers.tiny_series import write_series

POLICY = RetryPolicy(first=2, longest=30, give_up_after=100)


class Book:
    """A journal with a clock that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_000_000.0
        self.engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        self.deliveries = DeliveryJournal(self.engine, self.clock)
        self._runs = RunJournal(self.engine, self.clock)

    def clock(self) -> float:
        """Seconds since 1970."""
        return self.now

    def finished_run(self, study_uid: str, *destinations: str) -> str:
        """A run whose result is to go to ``destinations``."""
        inputs = {"T1": (f"{study_uid}.1",)}
        spec = RunSpec(study_uid, "rule", "model", "1", "ab", inputs, ("sr",), destinations, 5)
        self._runs.create(spec)
        objects = [ResultRow(spec.run_id, "SR", "sr.dcm", "1.2", f"{study_uid}.2", "1.3")]
        self._runs.finished(spec.run_id, outcome="findings", reason=None, objects=objects)
        return spec.run_id

    def know(self, patients: Mapping[str, str | None]) -> None:
        """Note an image of each study, with the digest of its PatientID."""
        image = {"sha256": "ab", "path": "p", "bytes": 1, "source": "test", "received_at": 1.0, "state": "indexed"}
        rows = [
            {**image, "sop_instance_uid": study_uid, "study_uid": study_uid, "patient": patient}
            for study_uid, patient in patients.items()
        ]
        with self.engine.begin() as connection:
            connection.execute(instances.insert(), rows)

    def row(self, run_id: str, destination: str = "pacs") -> DeliveryRow:
        """The delivery of a run."""
        return next(row for row in self.deliveries.of_run(run_id) if row.destination == destination)


class Pacs:
    """A destination that does what a test says, and keeps what it took."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.shows_at_once = True
        self.sent: list[str] = []
        self.shown: set[str] = set()

    def shows(self, result: Result) -> bool:
        """See ``Destination``."""
        return result.run_id in self.shown

    def send(self, result: Result) -> None:
        """See ``Destination``."""
        if self.error:
            raise self.error
        self.sent.append(result.run_id)
        if self.shows_at_once:
            self.shown.add(result.run_id)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.engine.dispose()


@pytest.fixture
def pacs() -> Pacs:
    return Pacs()


def empty_result(run_id: str) -> Result:
    return Result(run_id, "1.2", (), ())


def outbox(
    book: Book,
    destination: Pacs | StowDestination,
    name: str = "pacs",
    *,
    result: Callable[[str], Result] = empty_result,
    in_order: bool = False,
) -> Outbox:
    return Outbox(name, destination, book.deliveries, policy=POLICY, result=result, clock=book.clock, in_order=in_order)


def test_the_wait_doubles_up_to_the_longest_until_the_delivery_is_too_old(book: Book, pacs: Pacs) -> None:
    run_id = book.finished_run("1.2", "pacs")
    box = outbox(book, pacs)
    pacs.error = PeerUnreachable("pacs: no association")
    waits = []
    while book.row(run_id).state == "pending":
        assert box.step() == 1
        assert box.step() == 0
        waits.append(book.row(run_id).next_at - book.now)
        book.now = max(book.now, book.row(run_id).next_at)
    assert waits[:-1] == [2, 4, 8, 16, 30, 30, 30]
    row = book.row(run_id)
    assert (row.state, row.attempts) == ("dead", 8)
    assert row.reason == "gave up after 100 s: pacs: no association"
    book.now += 10_000
    assert box.step() == 0


@pytest.mark.parametrize("error", [PeerRefused("pacs says no"), InstanceError("sr.dcm is not a DICOM file")])
def test_what_cannot_succeed_is_set_aside_at_once_and_sent_again_on_request(
    book: Book, pacs: Pacs, error: Exception
) -> None:
    run_id = book.finished_run("1.2", "pacs")
    box = outbox(book, pacs)
    pacs.error = error
    box.step()
    dead = book.row(run_id)
    assert (dead.state, dead.attempts, dead.reason) == ("dead", 1, str(error))
    pacs.error = None
    book.now += POLICY.give_up_after + 1
    assert book.deliveries.replay(dead.id)
    assert not book.deliveries.replay(dead.id)
    box.step()
    row = book.row(run_id)
    assert (row.state, row.attempts, row.reason, row.delivered_at) == ("delivered", 1, None, book.now)
    assert not book.deliveries.replay(999)


def test_a_replayed_delivery_has_its_whole_time_again(book: Book, pacs: Pacs) -> None:
    run_id = book.finished_run("1.2", "pacs")
    box = outbox(book, pacs)
    pacs.error = PeerUnreachable("down")
    book.now += POLICY.give_up_after + 1
    box.step()
    assert book.row(run_id).state == "dead"
    book.deliveries.replay(book.row(run_id).id)
    box.step()
    assert (book.row(run_id).state, book.row(run_id).next_at - book.now) == ("pending", POLICY.first)


def test_a_result_that_was_taken_but_does_not_show_yet_is_not_called_delivered(book: Book, pacs: Pacs) -> None:
    run_id = book.finished_run("1.2", "pacs")
    box = outbox(book, pacs)
    pacs.shows_at_once = False
    box.step()
    row = book.row(run_id)
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.reason == "the destination took the result but does not show it yet"
    pacs.shown.add(run_id)
    book.now = row.next_at
    box.step()
    assert book.row(run_id).state == "delivered"
    assert pacs.sent == [run_id]


def test_one_result_that_is_refused_does_not_hold_up_the_next(book: Book, pacs: Pacs) -> None:
    bad, good = (book.finished_run(uid, "pacs") for uid in ("1.2", "1.3"))

    def result(run_id: str) -> Result:
        if run_id == bad:
            raise InstanceError("sr.dcm is gone")
        return Result(run_id, "1.2", (), ())

    box = outbox(book, pacs, result=result)
    assert [box.step(), box.step(), box.step()] == [1, 1, 0]
    assert [book.row(run_id).state for run_id in (bad, good)] == ["dead", "delivered"]


def test_a_patients_results_go_one_after_the_other_and_those_of_others_do_not_wait(book: Book, pacs: Pacs) -> None:
    patients = {"1.2": "ab", "1.3": "ab", "1.4": "cd", "1.5": None, "1.6": sha256(b"").hexdigest()}
    book.know(patients)
    first, second, *others = (book.finished_run(study_uid, "pacs") for study_uid in (*patients, "1.7"))

    def result(run_id: str) -> Result:
        if run_id == first and book.now < 1_000_010:
            raise PeerUnreachable("cut off")
        return empty_result(run_id)

    box = outbox(book, pacs, result=result, in_order=True)
    while box.step():
        pass
    assert [book.row(run_id).state for run_id in (first, second)] == ["pending", "pending"]
    assert pacs.sent == others
    while book.row(first).state == "pending":
        book.now = book.row(first).next_at
        box.step()
    box.step()
    assert pacs.sent == [*others, first, second]


def test_a_result_that_was_set_aside_does_not_hold_up_the_next_of_its_patient(book: Book, pacs: Pacs) -> None:
    book.know({"1.2": "ab", "1.3": "ab"})
    first, second = (book.finished_run(study_uid, "pacs") for study_uid in ("1.2", "1.3"))

    def result(run_id: str) -> Result:
        if run_id == first:
            raise PeerRefused("not known here")
        return empty_result(run_id)

    box = outbox(book, pacs, result=result, in_order=True)
    assert [box.step(), box.step(), box.step()] == [1, 1, 0]
    assert [book.row(run_id).state for run_id in (first, second)] == ["dead", "delivered"]


def test_a_new_result_does_not_queue_behind_those_that_failed_and_are_due_again(book: Book, pacs: Pacs) -> None:
    stuck = [book.finished_run(f"1.2.{number}", "pacs") for number in range(3)]
    box = outbox(book, pacs)
    pacs.error = PeerUnreachable("cut off")
    assert [box.step() for _ in stuck] == [1, 1, 1]
    book.now += 1
    new = book.finished_run("1.3", "pacs")
    book.now += POLICY.first
    pacs.error = None
    box.step()
    assert pacs.sent == [new]


def test_a_replaced_result_is_not_delivered_any_more(book: Book, pacs: Pacs) -> None:
    run_id = book.finished_run("1.2", "pacs")
    late = RunSpec("1.2", "rule", "model", "1", "ab", {"T1": ("1.2.1", "1.2.9")}, ("sr",), ("pacs",), 5)
    RunJournal(book.engine, book.clock).create(late)
    assert outbox(book, pacs).step() == 0
    assert (book.row(run_id).state, pacs.sent) == ("superseded", [])


def test_an_archive_that_is_down_holds_up_no_other_and_gets_each_object_once_when_it_is_back(
    book: Book, tmp_path: Path
) -> None:
    (path,) = write_series(tmp_path / "result", images=1)
    run_id = book.finished_run("1.2", "up", "down")
    with OrthancServer(tmp_path / "orthanc") as orthanc:
        up, down = DicomWebClient(orthanc.dicomweb_url), DicomWebClient(f"http://127.0.0.1:{free_port()}/dicom-web")
        found = result_of(path)
        with up, down, structlog.testing.capture_logs() as logs:
            for name, client in (("down", down), ("up", up)):
                outbox(book, StowDestination(name, client), name, result=lambda _: found).step()
            assert (book.row(run_id, "up").state, book.row(run_id, "down").state) == ("delivered", "pending")
            book.now += POLICY.first
            outbox(book, StowDestination("down", up), "down", result=lambda _: found).step()
            assert book.row(run_id, "down").state == "delivered"
        assert orthanc.instances() == (found.dicom[0].sop_instance_uid,)
    told = [(line["destination"], line["result"], line["attempt"]) for line in logs if line["event"] == "delivery"]
    assert told == [("down", "retry", 1), ("up", "delivered", 1), ("down", "delivered", 2)]


def result_of(path: Path) -> Result:
    ds = dcmread(path, stop_before_pixels=True)
    item = DicomObject(path, ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID)
    return Result("run", ds.StudyInstanceUID, (item,), ())
