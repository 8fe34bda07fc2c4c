"""``ainode serve`` as a process group of its own, in a folder that outlives it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from peers.orthanc import free_port

_SETTINGS = """
[node]
folder = "{state}"
[dicom]
port = {port}
max_associations = 100
network_timeout = {silence}
acse_timeout = {silence}
dimse_timeout = {silence}
[spool]
min_free_bytes = {least_free}
min_free_percent = 0
[web]
port = {http}
[rules]
file = "rules.toml"
[database]
url = "sqlite:///{journal}"
"""
_LONGEST_START = 60.0


class ServedNode:
    """One node without rules; it may be killed and started again on the same folder."""

    def __init__(
        self, folder: Path, *, silence: float = 60.0, journal: Path | None = None, least_free: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.state = folder / "state"
        self.spool = self.state / "spool"
        self.journal = journal or self.state / "journal.sqlite"
        self.log = folder / "log"
        self._settings = folder / "ainode.toml"
        (folder / "rules.toml").write_text("")
        text = _SETTINGS.format(
            state=self.state,
            port=self.port,
            silence=silence,
            least_free=least_free,
            http=free_port(),
            journal=self.journal,
        )
        self._settings.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0
        """Times that it was running and was killed."""

    def spawn(self) -> None:
        """Start, and do not wait."""
        command = [sys.executable, "-m", "ainode", "serve", "--settings", str(self._settings)]
        environment = os.environ | {"TCP_NODELAY": "1"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def start(self) -> float | None:
        """Start; seconds until the node listens, None when it ends or is not there within a minute."""
        began = time.monotonic()
        self.spawn()
        while self.alive and time.monotonic() - began < _LONGEST_START:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return time.monotonic() - began
        return None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it and all its children at once: SIGKILL."""
        if self._process and self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.kills += 1

    def terminate(self) -> tuple[int | None, float]:
        """Ask it to end; its exit status, None when it has not ended within a minute, and the seconds it took."""
        assert self._process
        began = time.monotonic()
        self._process.terminate()
        try:
            status: int | None = self._process.wait(60)
        except subprocess.TimeoutExpired:
            status = None
        return status, time.monotonic() - began

    def halves(self) -> set[Path]:
        """Files that are on their way in."""
        return _files(self.spool / "incoming")

    def tail(self) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
