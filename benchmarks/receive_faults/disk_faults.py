"""The disk takes nothing more, or the journal does not."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from receive_faults.loop_disk import LoopDisk
from receive_faults.scratch_disk import ScratchDisk
from receive_faults.stand import TAKES_AGAIN, Outcome, Stand

_SPOOL_MB, _BALLAST_LEAVES = 256, 12 << 20
_LEAST_FREE = 32 << 20
_JOURNAL_MB = 16
_LOOP_MB = 2048
_LONGEST_LIFE = 8.0
"""Seconds between two power cuts; ext4 writes by itself what is five seconds old."""
_AFTER_CUT = 1.0
"""Seconds in which a node that has no disk any more might still say ``Success``."""
_ENOUGH = 20
"""Refusals, and successes, that must be heard."""


def full_disk(folder: Path, *, seed: int, seconds: float) -> Outcome:
    """The node's folder fills up as it receives, stays full for a while, and is given room again."""
    with ScratchDisk(folder / "state", megabytes=_SPOOL_MB) as disk, Stand("full_disk", folder, seed=seed) as stand:
        disk.fill(but=_BALLAST_LEAVES)
        _refused(stand)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # what is thrown away half-received makes room again
            disk.fill()
            time.sleep(0.05)
        disk.free()
        _recovers(stand, "after there was room again")
        return stand.outcome()


def nearly_full_disk(folder: Path, *, seed: int, seconds: float) -> Outcome:
    """The same below the mark of ``[spool]``: the node refuses while the disk still has room for its journal."""
    disk = ScratchDisk(folder / "state", megabytes=_SPOOL_MB)
    with disk, Stand("nearly_full_disk", folder, seed=seed, least_free=_LEAST_FREE) as stand:
        disk.fill(but=_LEAST_FREE + _BALLAST_LEAVES)
        _refused(stand)
        time.sleep(seconds)
        if disk.room() < _LEAST_FREE // 2:
            stand.stuck(f"only {disk.room()} bytes are free of the {_LEAST_FREE} that the node should keep so")
        disk.free()
        _recovers(stand, "after there was room again")
        return stand.outcome()


def read_only_disk(folder: Path, *, seed: int, seconds: float) -> Outcome:
    """The disk of the spool is mounted read-only under the node, and writable again later.

    The journal lies elsewhere: Linux remounts no disk on which a file is open for writing.
    """
    spool = folder / "state" / "spool"
    with ScratchDisk(spool, megabytes=_SPOOL_MB) as disk, Stand("read_only_disk", folder, seed=seed) as stand:
        stand.linger(1.0)
        if not disk.read_only(seconds=2):
            stand.load.hold()
            if not disk.read_only(seconds=10):
                stand.stuck("the disk could not be made read-only: files stay open for writing")
            stand.load.resume()
        _refused(stand)
        time.sleep(seconds)
        disk.writable()
        _recovers(stand, "after the disk was writable again")
        return stand.outcome()


def power_cut(folder: Path, *, seed: int, times: int) -> Outcome:
    """The power fails under load: the disk has what was synchronised before, and the node begins again with that."""
    disk = LoopDisk(folder / "state", megabytes=_LOOP_MB)
    with disk, Stand("power_cut", folder, seed=seed, torn=True) as stand:
        for number in range(1, times + 1):
            stand.linger(_LONGEST_LIFE)
            stand.must_be_alive()
            disk.cut_power()
            stand.ledger.wait_for_refusals(1, seconds=_AFTER_CUT)
            stand.node.kill()
            disk.restore_power()
            stand.start()
            stand.must_take_objects(f"after power cut {number}")
        return stand.outcome()


def locked_journal(folder: Path, *, seed: int, seconds: float) -> Outcome:
    """Another program holds the journal's write lock."""
    with Stand("locked_journal", folder, seed=seed) as stand:
        stand.linger(1.0)
        with closing(sqlite3.connect(stand.node.journal, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")
        _recovers(stand, "after the journal was free again")
        return stand.outcome()


def full_journal(folder: Path, *, seed: int, seconds: float) -> Outcome:
    """The disk of the journal is full while that of the spool has room."""
    disk = ScratchDisk(folder / "journal", megabytes=_JOURNAL_MB)
    journal = disk.folder / "journal.sqlite"
    with disk, Stand("full_journal", folder, seed=seed, journal=journal) as stand:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            disk.fill()
            time.sleep(0.05)
        disk.free()
        _recovers(stand, "after the journal had room again")
        return stand.outcome()


def _refused(stand: Stand) -> None:
    if not stand.ledger.wait_for_refusals(_ENOUGH, seconds=TAKES_AGAIN):
        stand.stuck(f"the senders were not refused within {TAKES_AGAIN:g} s")


def _recovers(stand: Stand, when: str) -> None:
    stand.must_be_alive()
    stand.must_take_objects(when, more=_ENOUGH)
