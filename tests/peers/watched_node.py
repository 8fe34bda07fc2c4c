"""``ainode serve`` without rules, in a process of its own that is watched: is it the same, how large, what it wrote."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from peers.mutations import OUTSIDE
from peers.orthanc import free_port
from peers.plain_http import request

_SETTINGS = """
[node]
folder = "state"
[dicom]
port = {port}
max_associations = 50
network_timeout = {timeout}
acse_timeout = {timeout}
dimse_timeout = {timeout}
[web]
port = {http_port}
[rules]
file = "rules.toml"
"""
_SPOOLED = re.compile(
    r"state/spool/(stock/[0-9a-f]{32}\.stock|incoming/[0-9a-f]{32}\.part|new/\d{20}-[0-9a-f]{32}\.dcm|[0-9a-f]{2}/[0-9a-f]{64}\.dcm)"
)
_DATABASE = re.compile(r"state/[a-z]+\.sqlite(-wal|-shm|-journal)?")


class WatchedNode:
    """One node in ``folder``, deep enough that a path out of its spool ends in ``root`` above it."""

    def __init__(self, root: Path, *, timeout: float = 20.0) -> None:
        self.root = root.resolve()
        self.folder = self.root / "a" / "b" / "c" / "node"
        self.folder.mkdir(parents=True)
        self.port, self._http_port = free_port(), free_port()
        self.log = self.folder / "node.log"
        settings = _SETTINGS.format(port=self.port, http_port=self._http_port, timeout=timeout)
        (self.folder / "ainode.toml").write_text(settings)
        (self.folder / "rules.toml").write_text("")
        self._process: subprocess.Popen[bytes] | None = None
        self._before: set[str] = set()

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "ainode", "serve", "--settings", "ainode.toml"]
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.wait(self._is_healthy, "the node to be healthy")
        self._before = self._files()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    @property
    def spool(self) -> Path:
        """Folder of what was received."""
        return self.folder / "state" / "spool"

    @property
    def is_alive(self) -> bool:
        """Whether the process that was started still runs; nothing starts another."""
        return self._process is not None and self._process.poll() is None

    def status(self, field: str) -> int:
        """A number of ``/proc/<pid>/status``: ``VmRSS`` and ``VmHWM`` in kB, ``Threads``."""
        assert self._process
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[0])

    def outside(self, *, ignore: Sequence[str] = ()) -> list[str]:
        """Files that came since the start and are no part of the spool, a database or a folder of ``root`` to ignore.

        A name out of a broken UID is also looked for in the folder for temporary files.
        """
        ours = {
            name
            for name in self._files()
            if Path(self.folder, name).resolve().relative_to(self.root).parts[0] in ignore
        }
        new = self._files() - self._before - ours | set(map(str, Path(tempfile.gettempdir()).glob(f"*{OUTSIDE}*")))
        return sorted(name for name in new if not _SPOOLED.fullmatch(name) and not _DATABASE.fullmatch(name))

    def rows(self) -> list[tuple[str, str, str, str | None]]:
        """SOP Instance UID, path in the spool, state and reason of every object in the journal."""
        database = self.folder / "state" / "journal.sqlite"
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        rows = connection.execute("select sop_instance_uid, path, state, reason from instances order by id").fetchall()
        connection.close()
        return rows

    def wait(self, condition: Callable[[], object], what: str, *, seconds: float = 120) -> None:
        """Wait until ``condition`` holds; fails, with the end of the node's log, when it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.is_alive, f"the node ended while waiting for {what}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"no {what} in {seconds:g} s:\n{self.tail()}"
            time.sleep(0.05)

    def tail(self) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def _files(self) -> set[str]:
        found = (path for path in self.root.rglob("*") if not path.is_dir() or path.parent == self.folder)
        return {os.path.relpath(path, self.folder) for path in found}

    def _is_healthy(self) -> bool:
        try:
            return bool(request("GET", f"http://127.0.0.1:{self._http_port}/health").status_code == 200)
        except httpx.TransportError:
            return False
