"""No acknowledged object is lost, whatever happens to the node; and a loss would be noticed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from ainode.journal.database import open_database
from ainode.journal.tables import instances
from ainode.receive.part10 import file_head
from peers.shared_data import ROOT
from receive_faults import disk_faults, peer_faults
from receive_faults.evidence import Evidence
from receive_faults.images import Image, ImageMaker
from receive_faults.loop_disk import LoopDisk
from receive_faults.scratch_disk import ScratchDisk


def test_a_killed_node_keeps_every_object_that_it_acknowledged(tmp_path: Path) -> None:
    """The program itself, as ``make faults-receive`` runs it."""
    report = tmp_path / "faults.json"
    program = [sys.executable, "benchmarks/faults_receive.py", "--kills", "2", "--only", "kill"]
    done = subprocess.run(
        [*program, "--work", str(tmp_path / "work"), "--out", str(report)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["metric"]: row["value"] for row in json.loads(report.read_text())["rows"]}
    assert rows["acknowledged"] > 0
    assert (rows["kills"], rows["acknowledged_lost"], rows["stuck"]) == (2, 0, 0)


def test_connections_that_end_within_an_object_leave_nothing_behind(tmp_path: Path) -> None:
    outcome = peer_faults.cut(tmp_path / "node", seed=1, times=10)
    assert (outcome.lost, outcome.stuck, outcome.orphans) == ((), (), 0)
    assert outcome.acknowledged
    assert not outcome.refusals


def test_a_full_disk_is_told_to_the_senders_and_used_again_when_it_has_room(tmp_path: Path) -> None:
    obstacle = ScratchDisk.obstacle()
    if obstacle:
        pytest.skip(obstacle)
    outcome = disk_faults.full_disk(tmp_path / "node", seed=1, seconds=1)
    assert (outcome.lost, outcome.stuck, outcome.orphans) == ((), (), 0)
    assert outcome.acknowledged
    assert set(outcome.refusals) == {0xA700}


def test_a_power_cut_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    obstacle = LoopDisk.obstacle()
    if obstacle:
        pytest.skip(obstacle)
    outcome = disk_faults.power_cut(tmp_path / "node", seed=1, times=1)
    assert (outcome.lost, outcome.stuck, outcome.orphans) == ((), (), 0)
    assert outcome.acknowledged


class Books:
    """A journal and a spool that are written by hand."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.journal = folder / "journal.sqlite"
        self._engine = open_database(f"sqlite:///{self.journal}")

    def enter(self, image: Image, *, state: str = "indexed", name: str = "one", data_set: bytes | None = None) -> Path:
        """Write a row and its file."""
        head = file_head(
            sop_class_uid=CTImageStorage,
            sop_instance_uid=image.uid,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            source_ae_title="TEST",
        )
        content = head + (image.data_set if data_set is None else data_set)
        path = self.spool / "00" / f"{name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        row = {
            "sop_instance_uid": image.uid,
            "sha256": hashlib.sha256(content).hexdigest(),
            "path": path.relative_to(self.spool).as_posix(),
            "bytes": len(content),
            "source": "test",
            "received_at": 0.0,
            "state": state,
            "reason": "because" if state == "refused" else None,
        }
        with self._engine.begin() as connection:
            connection.execute(sa.insert(instances), row)
        return path

    def losses(self, image: Image) -> list[str]:
        """What is said of the promise to keep ``image``."""
        return [loss.why for loss in self.evidence.losses({image.uid: image.sha256})]

    @property
    def evidence(self) -> Evidence:
        """Of this journal and this spool."""
        return Evidence(self.journal, self.spool)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


@pytest.fixture
def image() -> Image:
    return ImageMaker((1,)).make()


def test_a_kept_promise_is_no_loss(books: Books, image: Image) -> None:
    books.enter(image)
    assert books.losses(image) == []
    assert books.evidence.unsettled() == []
    assert books.evidence.orphans() == 0


def test_every_kind_of_loss_is_noticed(books: Books, image: Image) -> None:
    assert books.losses(image) == ["0 rows of the journal hold it"]
    maker = ImageMaker((2,))
    changed, refused, gone, cut, twice = (maker.make() for _ in range(5))
    books.enter(changed, name="changed", data_set=changed.data_set[:-1] + b"?")
    assert books.losses(changed) == ["its data set is not the one that was sent"]
    books.enter(refused, name="refused", state="refused")
    assert books.losses(refused) == ["refused: because"]
    books.enter(gone, name="gone").unlink()
    assert books.losses(gone) == ["its file 00/gone.dcm cannot be read: No such file or directory"]
    path = books.enter(cut, name="cut")
    path.write_bytes(path.read_bytes()[:-1])
    assert books.losses(cut) == ["its file is not the one that the journal describes"]
    books.enter(twice, name="twice")
    books.enter(twice, name="again", data_set=b"other")
    assert books.losses(twice) == ["2 rows of the journal hold it"]


def test_what_waits_lies_about_or_was_never_sent_whole_is_noticed(books: Books, image: Image) -> None:
    books.enter(image, state="stored")
    for folder in ("incoming", "new"):
        (books.spool / folder).mkdir()
        (books.spool / folder / "file").write_bytes(b"")
    assert books.evidence.unsettled() == [
        "1 rows of the journal wait",
        "1 files lie in incoming/",
        "1 files lie in new/",
    ]
    assert books.evidence.orphans() == 2
    assert [loss.uid for loss in books.evidence.kept({image.uid})] == [image.uid]


def test_a_part_that_the_node_refused_is_no_loss_only_where_the_power_was_cut(books: Books, image: Image) -> None:
    books.enter(image)
    books.enter(image, state="refused", name="part", data_set=image.data_set[:-100])
    assert books.losses(image) == ["2 rows of the journal hold it"]
    torn = Evidence(books.journal, books.spool, torn=True)
    assert list(torn.losses({image.uid: image.sha256})) == []
