"""What a node has: its journal beside the files of its spool."""

import hashlib
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_META = struct.Struct("<HH2sHI")
"""File Meta Information Group Length (PS3.10 7.1), behind preamble and prefix."""
_META_AT = 132
_STOCK_SECTOR = 512
_BATCH = 500
_SET_ASIDE = "unreadable/"


@dataclass(frozen=True)
class Loss:
    """A promise that was broken."""

    uid: str
    why: str


@dataclass(frozen=True)
class _Entry:
    uid: str
    path: str
    sha256: str
    size: int
    state: str
    reason: str | None


class Evidence:
    """Looks from the outside, with nothing of the node's own code."""

    def __init__(self, journal: Path, spool: Path, *, torn: bool = False) -> None:
        self._journal = journal
        self._spool = spool
        self._torn = torn
        """Whether a part of an object may be there, too, where the node has found it to be one: after a power cut."""

    def unsettled(self) -> list[str]:
        """What still waits: rows that were not looked at, files on their way."""
        (rows,) = self._query("select count(*) from instances where state = 'stored'")[0]
        found = [f"{rows} rows of the journal wait"] if rows else []
        for folder in ("incoming", "new"):
            files = [path for path in (self._spool / folder).rglob("*") if path.is_file()]
            found += [f"{len(files)} files lie in {folder}/"] if files else []
        used = [path for path in self._stock() if not _is_blank(path)]
        return found + ([f"{len(used)} files of stock/ are used"] if used else [])

    def losses(self, promised: Mapping[str, str]) -> Iterator[Loss]:
        """Those of ``promised`` (digest of the data set by SOP Instance UID) that are not there exactly once, whole."""
        uids = list(promised)
        for start in range(0, len(uids), _BATCH):
            part = uids[start : start + _BATCH]
            entries = self._entries(part)
            for uid in part:
                why = self._fault(entries[uid], promised[uid])
                if why:
                    yield Loss(uid, why)

    def kept(self, uids: Set[str]) -> list[Loss]:
        """Those of ``uids`` that are in the journal, although they were never sent whole."""
        return [Loss(uid, "it was never sent whole, and is in the journal") for uid in self._entries(list(uids))]

    def orphans(self) -> int:
        """Files of the spool that the journal does not name; those made beforehand for objects to come are none."""
        named = {path for (path,) in self._query("select path from instances")}
        found = (path for path in self._spool.rglob("*") if path.is_file() and not _is_blank(path))
        files = (path.relative_to(self._spool).as_posix() for path in found)
        return sum(1 for path in files if path not in named and not (self._torn and path.startswith(_SET_ASIDE)))

    def _stock(self) -> Iterator[Path]:
        return (self._spool / "stock").glob("*.stock")

    def _fault(self, entries: list[_Entry], sha256: str) -> str | None:
        if self._torn:
            entries = [entry for entry in entries if entry.state != "refused"]
        if len(entries) != 1:
            return f"{len(entries)} rows of the journal hold it"
        (entry,) = entries
        if entry.state != "indexed":
            return f"{entry.state}: {entry.reason}"
        try:
            content = (self._spool / entry.path).read_bytes()
        except OSError as exc:
            return f"its file {entry.path} cannot be read: {exc.strerror}"
        if (len(content), hashlib.sha256(content).hexdigest()) != (entry.size, entry.sha256):
            return "its file is not the one that the journal describes"
        if hashlib.sha256(_data_set(content)).hexdigest() != sha256:
            return "its data set is not the one that was sent"
        return None

    def _entries(self, uids: list[str]) -> defaultdict[str, list[_Entry]]:
        found: defaultdict[str, list[_Entry]] = defaultdict(list)
        for start in range(0, len(uids), _BATCH):
            part = uids[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            columns = "sop_instance_uid, path, sha256, bytes, state, reason"
            for row in self._query(f"select {columns} from instances where sop_instance_uid in ({marks})", part):  # noqa: S608 - question marks only
                found[row[0]].append(_Entry(*row))
        return found

    def _query(self, sql: str, values: list[str] | None = None) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql, values or []).fetchall()


def _is_blank(path: Path) -> bool:
    """Whether a file of the stock holds nothing but its own name, again and again: its start, for there are many.

    One that is just being made holds less of it, or nothing.
    """
    if path.suffix != ".stock":
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_STOCK_SECTOR)
    except FileNotFoundError:  # used or removed meanwhile
        return True
    return start == (bytes.fromhex(path.stem) * (_STOCK_SECTOR // 16))[: len(start)]


def _data_set(content: bytes) -> memoryview:
    """What lies behind the File Meta Information; nothing when there is none."""
    if len(content) < _META_AT + _META.size:
        return memoryview(b"")
    group, element, vr, _, length = _META.unpack_from(content, _META_AT)
    if (group, element, vr) != (0x0002, 0x0000, b"UL"):
        return memoryview(b"")
    return memoryview(content)[_META_AT + _META.size + length :]
