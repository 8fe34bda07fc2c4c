"""The stock: objects in files that were written before, whole or not there at all, whenever the power fails."""

import errno
import fcntl
import mmap
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal
from ainode.receive import direct_file, stock, stock_file
from ainode.receive.arrival import Arrival
from ainode.receive.direct_file import BLOCK
from ainode.receive.free_space import FreeSpace
from ainode.receive.part10 import file_head
from ainode.receive.registrar import Registrar
from ainode.receive.spool import Spool
from ainode.receive.stock import Stock
from ainode.receive.stock_file import ROOM, SIZE
from peers.receiver import data_set_of, uid_of
from peers.tiny_series import write_series

SECTOR = 512


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "_REST", 0.0)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return prepared(tmp_path / "spool")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[InstanceJournal]:
    engine = open_database(f"sqlite:///{tmp_path / 'journal.db'}")
    yield InstanceJournal(engine, lambda: 1000.0)
    engine.dispose()


def prepared(folder: Path, files: int = 3) -> Spool:
    """A spool as a node opens it, its stock as full as it will be."""
    spool = Spool(folder, stock=files)
    spool.remove_leftovers()
    while spool.stock.refill():
        pass
    return spool


def arrive(spool: Spool, data: bytes) -> None:
    """As the listener keeps an object."""
    writer = spool.open("1.2.3")
    for start in range(0, len(data), 100_003):
        writer.write(memoryview(data)[start : start + 100_003])
    assert writer.keep() == len(data)


def arrive_image(spool: Spool, path: Path) -> None:
    """An image, with the head that the listener gives it."""
    head = file_head(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=uid_of(path),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        source_ae_title="CT1",
    )
    arrive(spool, head + data_set_of(path))


def stocked(spool: Spool) -> list[Path]:
    return sorted((spool.folder / "stock").iterdir())


def blank(path: Path) -> bytes:
    """What a file of the stock holds before it is used."""
    return bytes.fromhex(path.stem) * (SIZE // 16)


def contents(spool: Spool) -> list[bytes]:
    """What arrived, oldest first."""
    return [spool.path_of(spool.link(path).path).read_bytes() for path in spool.arrived()]


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "cached"])
@pytest.mark.parametrize("size", [1, 511, 4095, 4096, 4097, 524_288, ROOM - 1, ROOM, ROOM + 1, SIZE, SIZE + 1])
def test_an_object_of_any_length_arrives_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, direct: bool
) -> None:
    if not direct:  # as a file system without it would have it
        monkeypatch.setattr(os, "O_DIRECT", 0)
    spool = prepared(tmp_path / "spool")
    data = random.Random(size).randbytes(size)
    arrive(spool, data)
    assert len(spool.stock.arrivals()) == (size <= ROOM)
    assert contents(spool) == [data]
    assert spool.stock.arrivals() == []


def test_an_object_comes_into_the_journal_with_the_time_it_came(
    spool: Spool, journal: InstanceJournal, tmp_path: Path
) -> None:
    (path,) = write_series(tmp_path / "series", images=1)
    before = time.time()
    arrive_image(spool, path)
    assert len(spool.arrivals()) == 1
    Registrar(spool, journal).register()
    (row,) = journal.to_index()
    assert before <= row.received_at <= time.time()
    assert data_set_of(spool.path_of(row.path)) == data_set_of(path)
    assert spool.arrivals() == []


def test_when_the_stock_is_used_up_objects_arrive_all_the_same_and_it_is_filled_again(spool: Spool) -> None:
    objects = [bytes([number]) * 1000 for number in range(5)]
    for data in objects:
        arrive(spool, data)
    assert len(spool.stock.arrivals()) == 3
    assert spool.stock.refill() == 0  # while objects wait for the journal
    assert contents(spool) == objects
    assert [spool.stock.refill(), spool.stock.refill()] == [3, 0]
    assert len(stocked(spool)) == 3


def test_no_file_is_made_while_objects_come(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(spool, b"data")
    spool.arrived()
    monkeypatch.setattr(stock, "_REST", 60.0)
    assert spool.stock.refill() == 0
    monkeypatch.setattr(stock, "_REST", 0.0)
    assert spool.stock.refill() == 1


def test_what_was_kept_when_the_node_was_killed_is_there_when_it_starts(
    spool: Spool, journal: InstanceJournal, tmp_path: Path
) -> None:
    in_stock, in_new, trimmed = write_series(tmp_path / "series", images=3)
    arrive_image(spool, trimmed)
    (path,) = spool.arrived()
    arrival = Arrival.of(path)
    assert arrival
    stock_file.trim(path, arrival.name)
    arrive_image(spool, in_new)
    spool.arrived()
    arrive_image(spool, in_stock)
    again = prepared(spool.folder)
    assert len(again.arrivals()) == 3
    assert Registrar(again, journal).register() == 3
    rows = {row.sop_instance_uid: row for row in journal.to_index()}
    for image in (in_stock, in_new, trimmed):
        assert data_set_of(again.path_of(rows[uid_of(image)].path)) == data_set_of(image)


def test_files_that_were_never_used_are_used_after_a_restart(spool: Spool) -> None:
    before = stocked(spool)
    again = prepared(spool.folder)
    assert stocked(again) == before
    arrive(again, b"data")
    assert len(again.stock.arrivals()) == 1


@pytest.mark.parametrize("size", [300, 5_000, 524_288])
def test_a_write_that_the_power_cut_short_leaves_no_object_whichever_sectors_it_kept(spool: Spool, size: int) -> None:
    chance = random.Random(size)
    mark = -(-size // BLOCK) * BLOCK
    written = [*range(0, size, SECTOR), mark]
    for _ in range(30):
        arrive(spool, chance.randbytes(size))
        (arrival,) = spool.stock.arrivals()
        path = spool.folder / "stock" / f"{arrival.name}.stock"
        torn = bytearray(path.read_bytes())
        for at in chance.sample(written, chance.randint(1, len(written))):
            torn[at : at + SECTOR] = blank(path)[at : at + SECTOR]
        path.write_bytes(torn)
        spool = prepared(spool.folder)
        assert spool.arrived() == []
        assert [each.read_bytes() == blank(each) for each in stocked(spool)] == [True] * 3


def test_an_object_that_looks_like_a_full_file_of_the_stock_is_an_object(spool: Spool, tmp_path: Path) -> None:
    arrive(spool, b"another")
    (other,) = spool.arrived()
    forged = bytearray(other.read_bytes())
    assert len(forged) == SIZE
    other.unlink()
    arrive(spool, bytes(forged))
    assert contents(spool) == [bytes(forged)]


def test_an_object_is_durable_before_it_is_kept(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    flags: list[int] = []
    pwrite = os.pwrite

    def spy(descriptor: int, data: memoryview, at: int) -> int:
        flags.append(fcntl.fcntl(descriptor, fcntl.F_GETFL))
        assert spool.stock.arrivals() == []
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", spy)
    arrive(spool, b"data")
    assert flags
    assert all(flag & os.O_DSYNC for flag in flags)


def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int, _blocks: memoryview, _at: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(stock_file, "write_at", broken)
    writer = spool.open("1.2.3")
    writer.write(b"data")
    with pytest.raises(OSError, match="Input/output"):
        writer.keep()
    writer.discard()
    monkeypatch.setattr(stock_file, "write_at", direct_file.write_at)
    assert contents(prepared(spool.folder)) == []


def test_an_object_whose_file_was_taken_away_is_told_and_holds_up_no_other(spool: Spool) -> None:
    arrive(spool, b"taken away")
    (arrival,) = spool.stock.arrivals()
    (spool.folder / "stock" / f"{arrival.name}.stock").unlink()
    arrive(spool, b"whole")
    with structlog.testing.capture_logs() as lines:
        assert contents(spool) == [b"whole"]
    assert [line["event"] for line in lines] == ["object gone"]


def test_the_stock_takes_a_tenth_of_the_room_at_most(tmp_path: Path) -> None:
    free = 45 * SIZE

    def statvfs(_folder: Path) -> os.statvfs_result:
        return os.statvfs_result((1, 1, 1000 * SIZE, free, free, 0, 0, 0, 0, 255))

    space = FreeSpace((tmp_path,), least_bytes=5 * SIZE, least_percent=0, statvfs=statvfs)
    spool = Spool(tmp_path / "spool", space, stock=100)
    spool.remove_leftovers()
    assert [spool.stock.refill(), spool.stock.refill()] == [4, 0]


def test_a_file_that_is_left_half_made_is_removed(spool: Spool) -> None:
    half = spool.folder / "stock" / f"{'ab' * 16}.stock"
    half.write_bytes(b"\xab" * 4096)
    assert half not in stocked(prepared(spool.folder))


def test_files_are_not_lent_twice(tmp_path: Path) -> None:
    lent = Stock(tmp_path / "stock", lambda: 2)
    lent.recover()
    lent.refill()
    buffer = memoryview(mmap.mmap(-1, SIZE))
    assert [lent.keep(buffer, 10) for _ in range(3)] == [True, True, False]
    assert len({arrival.name for arrival in lent.arrivals()}) == 2


def test_a_file_that_cannot_be_opened_now_is_used_later(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_path: Path, _flags: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    writer = spool.open("1.2.3")
    writer.write(b"data")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Too many"):
        patch.setattr(stock, "open_direct", exhausted)
        writer.keep()
    assert writer.keep() == 4
    assert contents(spool) == [b"data"]
    assert len(stocked(spool)) == 2


def test_a_strangers_files_are_left_alone_and_do_no_harm(spool: Spool) -> None:
    stranger = spool.folder / "stock" / "notes.stock"
    stranger.write_bytes(b"n" * SIZE)
    (spool.new / "00000000000000000001-notes.dcm").write_bytes(b"n" * SIZE)
    again = prepared(spool.folder)
    assert contents(again) == [b"n" * SIZE]
    assert stranger in stocked(again)
