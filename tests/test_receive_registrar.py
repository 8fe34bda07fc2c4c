"""The registrar: what was received comes into the journal once, wherever the node was killed."""

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog

from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.receive import registrar
from ainode.receive.indexer import Indexer
from ainode.receive.part10 import file_head
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool, SpooledFile
from peers.receiver import data_set_of, uid_of
from peers.tiny_series import write_series


class Killed(BaseException):
    """What ends a step in the middle, as kill -9 would."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[InstanceJournal]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.db'}")
    yield InstanceJournal(engine, lambda: 1000.0)
    engine.dispose()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def arrive(spool: Spool, path: Path, *, calling: str = "MR1") -> None:
    """As the listener keeps an object."""
    writer = spool.open(uid_of(path))
    writer.write(
        file_head(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            sop_instance_uid=uid_of(path),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            source_ae_title=calling,
        )
    )
    writer.write(data_set_of(path))
    writer.keep()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_object_comes_into_the_journal_with_its_sender_and_the_time_it_came(
    spool: Spool, journal: InstanceJournal, tmp_path: Path
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    arrive(spool, path)
    (arrived_at,) = spool.arrivals()
    assert Registrar(spool, journal).register() == 1
    (row,) = journal.to_index()
    assert (row.sop_instance_uid, row.source) == (uid_of(path), "C-STORE MR1")
    assert abs(row.received_at - arrived_at) < 1
    assert data_set_of(spool.path_of(row.path)) == data_set_of(path)
    assert spool.arrivals() == []


KILLED_AT: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before any name": lambda patch: patch.setattr(Spool, "link", _killed),
    "before the names are safe": lambda patch: patch.setattr(Spool, "settle", _killed),
    "before the rows": lambda patch: patch.setattr(InstanceJournal, "stored", _killed),
    "after the rows": lambda patch: patch.setattr(InstanceJournal, "stored", _killed_after(InstanceJournal.stored)),
}


def _killed(*_arguments: Any) -> None:
    raise Killed


def _killed_after(stored: Callable[..., None]) -> Callable[..., None]:
    def both(journal: InstanceJournal, batch: Sequence[StoredInstance]) -> None:
        stored(journal, batch)
        raise Killed

    return both


@pytest.mark.parametrize("moment", list(KILLED_AT))
def test_killed_at_any_moment_every_object_comes_into_the_journal_once(
    spool: Spool, journal: InstanceJournal, tmp_path: Path, moment: str
) -> None:
    paths = write_series(tmp_path / "series", images=3)
    for path in paths:
        arrive(spool, path)
    with pytest.MonkeyPatch.context() as patch:
        KILLED_AT[moment](patch)
        with pytest.raises(Killed):
            Registrar(spool, journal).register()
    again = Spool(spool.folder)
    again.remove_leftovers()
    assert Indexer(journal, again).step() == 3
    assert journal.held([uid_of(path) for path in paths]) == {uid_of(path) for path in paths}
    assert names(again.new) == names(again.incoming) == []
    assert len(list(again.folder.rglob("*.dcm"))) == 3


def test_the_same_object_twice_is_one_row_and_mends_a_damaged_file(
    spool: Spool, journal: InstanceJournal, tmp_path: Path
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    arrive(spool, path)
    Registrar(spool, journal).register()
    (row,) = journal.to_index()
    spool.path_of(row.path).write_bytes(b"damaged")
    arrive(spool, path)
    Registrar(spool, journal).register()
    assert len(journal.to_index()) == 1
    assert data_set_of(spool.path_of(row.path)) == data_set_of(path)


def test_several_registrars_lose_nothing_and_say_nothing_of_one_another(
    spool: Spool, journal: InstanceJournal, tmp_path: Path
) -> None:
    paths = write_series(tmp_path / "series", images=40, rows=8)
    for path in paths:
        arrive(spool, path)
    with structlog.testing.capture_logs() as lines, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Registrar(spool, journal).register(), range(4)))
    assert {row.sop_instance_uid for row in journal.to_index()} == {uid_of(path) for path in paths}
    assert lines == []
    assert names(spool.new) == names(spool.incoming) == []


def test_a_file_that_has_no_head_is_set_aside_and_holds_up_no_other(
    spool: Spool, journal: InstanceJournal, tmp_path: Path
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    (spool.new / "00000000000000000001-cut.dcm").write_bytes(b"")
    (spool.new / "notes.txt").write_bytes(b"a stranger's")
    shutil.copy(path, spool.new / "00000000000000000002-whole.dcm")
    with structlog.testing.capture_logs() as lines:
        assert Indexer(journal, spool).step_when_calm() == 1
    assert journal.held([uid_of(path)])
    assert names(spool.folder / "unreadable") == ["00000000000000000001-cut.dcm", "notes.txt"]
    assert [line["event"] for line in lines] == ["file set aside"] * 2


def test_files_that_cannot_be_read_now_hold_up_no_other_and_are_tried_again(
    spool: Spool, journal: InstanceJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(tmp_path / "series", images=4, rows=8)
    for path in paths:
        arrive(spool, path)
    (spool.new / "00000000000000000001-cut.dcm").write_bytes(b"")
    link, full = Spool.link, {path.name for path in sorted(spool.new.iterdir())[1:4]}

    def link_some(self: Spool, path: Path) -> SpooledFile:
        if path.name in full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return link(self, path)

    def no_room(_path: Path, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(registrar, "_BATCH", 2)
    monkeypatch.setattr(Spool, "link", link_some)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", no_room)
        assert Registrar(spool, journal).register() == 1
    full.clear()
    assert Registrar(spool, journal).register() == 3
    assert len(journal.to_index()) == 4
