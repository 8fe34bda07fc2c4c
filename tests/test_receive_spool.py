"""The spool: whole files under names that no peer can choose."""

import errno
import hashlib
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ainode.receive.direct_file import Buffers, DirectFile
from ainode.receive.spool import Spool, SpooledFile
from ainode_models.errors import InstanceError

UID = "1.2.826.0.1.3680043.8.498.1"
HOSTILE = (
    "../../../../evil",
    "..",
    ".",
    "",
    "/etc/passwd",
    "1.2.3/../../evil",
    "1.2.3\n",
    "1.2.3\0",
    "1..2",
    "1.2.",
    "1.02",
    "1.2.3 ",
    "one.two",
    "1.2.٣",
    "1" * 65,
)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_file_lies_under_its_own_digest_with_the_bytes_that_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    kept = spool.write(UID, (b"head", memoryview(b"data set")))
    digest = hashlib.sha256(b"headdata set").hexdigest()
    assert kept == SpooledFile(f"{digest[:2]}/{digest}.dcm", digest, 12)
    assert spool.path_of(kept.path).read_bytes() == b"headdata set"
    assert _files(tmp_path) == [spool.path_of(kept.path)]


def test_the_same_bytes_are_one_file_however_often_and_at_once_they_come(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    with ThreadPoolExecutor(8) as threads:
        kept = set(threads.map(lambda _: spool.write(UID, (b"x" * 100_000,)), range(24)))
    assert len(kept) == 1
    assert [path.read_bytes() for path in _files(tmp_path)] == [b"x" * 100_000]


def test_what_is_no_uid_writes_nothing_at_all(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a" / "b" / "c" / "spool")
    for uid in HOSTILE:
        with pytest.raises(InstanceError, match=r"PS3\.5 9\.1"):
            spool.write(uid, (b"evil",))
        assert _files(tmp_path) == [], uid


def test_the_bytes_are_synced_before_they_get_their_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def spy_sync(descriptor: int) -> None:
        sync(descriptor)
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink()}")

    def spy_rename(self: Path, target: Path) -> Path:
        steps.append(f"rename to {target}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(Path, "replace", spy_rename)
    final = spool.path_of(spool.write(UID, (b"data",)).path)
    assert steps[0].startswith(f"sync {spool.incoming}/")
    assert steps[1:] == [f"rename to {final}", f"sync {final.parent}"]


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "cached"])
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 + 5])
def test_a_file_of_any_length_holds_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, direct: bool
) -> None:
    if not direct:  # as a file system without it would have it
        monkeypatch.setattr(os, "O_DIRECT", 0)
    data = random.Random(size).randbytes(size)
    buffers = Buffers()
    for path in (tmp_path / "one", tmp_path / "two"):  # the second is written from the memory of the first
        file = DirectFile(path, buffers)
        for start in range(0, size, 100_003):
            file.write(memoryview(data)[start : start + 100_003])
        assert file.flush() == size
        file.close()
        assert path.read_bytes() == data


def test_a_device_that_takes_only_part_of_a_block_still_gets_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: max(512, len(data) // 2 + 100)]))
    data = random.Random(1).randbytes(50_001)
    file = DirectFile(tmp_path / "file", Buffers())
    file.write(data)
    assert file.flush() == len(data)
    file.close()
    assert (tmp_path / "file").read_bytes() == data


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")

    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        spool.write(UID, chunks())
    assert _files(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_what_was_kept_is_not(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    kept = spool.write(UID, (b"data",))
    (spool.incoming / "left.part").write_bytes(b"half")
    again = Spool(tmp_path / "spool")
    assert again.remove_leftovers() == 1
    assert _files(tmp_path) == [again.path_of(kept.path)]


def test_an_adopted_file_is_the_same_file_as_one_that_was_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    fetched = spool.incoming / "fetched"
    fetched.write_bytes(b"data")
    adopted = spool.adopt(fetched)
    fetched.unlink()
    assert adopted == spool.write(UID, (b"data",))
    assert _files(tmp_path) == [spool.path_of(adopted.path)]
