"""The receivers that are compared: each a process of its own, empty, with its state in a folder."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from ainode_orthanc.server import LocalOrthanc
from peers.orthanc import free_port

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}
_STOCK = 1024
"""Files of 1 MiB, as many as by default."""
_NODE = """
[node]
folder = "state"
[dicom]
port = {port}
max_associations = 50
[spool]
min_free_bytes = 0
min_free_percent = 0
stock = {stock}
[web]
port = {http}
[rules]
file = "rules.toml"
"""


@dataclass(frozen=True)
class Receiver:
    """A running receiver."""

    port: int
    ae_title: str
    pid: int = 0
    """Process id, where its memory is looked at."""


Start = Callable[[Path, ExitStack], Receiver]


@dataclass(frozen=True)
class Index:
    """The journal of a node started with ``node``, seen from outside."""

    folder: Path

    def wait_for(self, count: int, *, seconds: float = 1800) -> None:
        """Return when ``count`` instances can be used; RuntimeError when that takes too long."""
        deadline = time.monotonic() + seconds
        while self._indexed() < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.folder} has not indexed {count} instances in {seconds:g} s")
            time.sleep(0.1)

    def _indexed(self) -> int:
        with closing(sqlite3.connect(f"file:{self.folder / 'state' / 'journal.sqlite'}?mode=ro", uri=True)) as journal:
            return int(journal.execute("select count(*) from instances where state = 'indexed'").fetchone()[0])


def node(folder: Path, stack: ExitStack) -> Receiver:
    """This node, without rules."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ainode.toml").write_text(_NODE.format(port=port, http=free_port(), stock=_STOCK))
    (folder / "rules.toml").write_text("")
    command = [sys.executable, "-m", "ainode", "serve", "--settings", str(folder / "ainode.toml")]
    pid = _start(command, port, folder, stack)
    _wait_for_stock(folder / "state" / "spool" / "stock")
    return Receiver(port, "AINODE", pid)


def orthanc(folder: Path, stack: ExitStack) -> Receiver:
    """Debian's Orthanc as it is by default: every file is synchronised to the disk, the index is SQLite."""
    server = LocalOrthanc(folder, http_port=free_port(), dicom_port=free_port())
    server.start()
    stack.callback(server.kill)
    return Receiver(server.dicom_port, server.ae_title)


def storescp(folder: Path, stack: ExitStack) -> Receiver:
    """dcmtk's storescp: bit-preserving, no fsync, no index."""
    port = free_port()
    command = ["/usr/bin/storescp", "-od", str(folder / "out"), "+B", "+xa", "--fork", str(port)]
    return Receiver(port, "STORESCP", _start(command, port, folder, stack))


def sink(folder: Path, stack: ExitStack) -> Receiver:
    """The durable sink beside this file."""
    port = free_port()
    command = [sys.executable, str(HERE / "durable_sink.py"), str(port), str(folder / "out")]
    return Receiver(port, "SINK", _start(command, port, folder, stack))


def _wait_for_stock(folder: Path) -> None:
    """Return when the node has made the files that it keeps ready: once in its life, and when nobody sends."""
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < _STOCK:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{folder} has not been filled")
        time.sleep(0.1)


def _start(command: list[str], port: int, folder: Path, stack: ExitStack) -> int:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    log = stack.enter_context((folder / "log").open("wb"))
    process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True)
    stack.callback(process.wait)
    stack.callback(os.killpg, process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start; see {folder / 'log'}") from None
            time.sleep(0.05)
        else:
            time.sleep(0.5)  # its own start-up work must not be measured
            return process.pid
