"""The node itself as a process of its own, to be stopped, killed and started again like the other peers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
from sqlalchemy.exc import OperationalError

from ainode.cli.journal import Journal, journal
from ainode.journal.runs import RunRow
from ainode.settings import Settings, load_settings
from peers.orthanc import OrthancServer, free_port
from peers.plain_http import request
from peers.shared_data import ROOT

T = TypeVar("T")

HEAD_RULE = """
[[rule]]
name = "head"
model = "t1-head-demo"
destinations = ["orthanc"]
[rule.input.T1]
Modality = "MR"
SeriesDescription = { regex = "(?i)t1" }
"""

_SETTINGS = """
[node]
folder = "state"
[dicom]
port = {dicom_port}
[spool]
min_free_bytes = 0
min_free_percent = 0
stock = 8
[web]
port = {http_port}
[complete]
quiet = {quiet}
archive_check_interval = 0.5
[rules]
file = "rules.toml"
[models]
folder = "{models}"
device = "cpu"
[deliver]
first_retry = 0.2
max_retry = 1
[[archive]]
name = "orthanc"
dicomweb = "{dicomweb}"
orthanc = "{orthanc}"
follow = {follow}
follow_from = "start"
poll = 0.2
[[destination]]
name = "orthanc"
kind = "stow"
archive = "orthanc"
"""


class NodeServer:
    """``ainode serve`` beside ``orthanc``, with settings, rules and state in ``folder``."""

    def __init__(
        self,
        folder: Path,
        orthanc: OrthancServer,
        *,
        rules: str = HEAD_RULE,
        follow: bool = False,
        quiet: float = 1.0,
        models: Path = ROOT / "models",
        dicomweb: str | None = None,
        more: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.dicom_port = free_port()
        self.http_port = free_port()
        self.log = folder / "node.log"
        self.rules_file = folder / "rules.toml"
        self.rules_file.write_text(rules)
        self.settings_file = folder / "ainode.toml"
        text = _SETTINGS.format(
            dicom_port=self.dicom_port,
            http_port=self.http_port,
            quiet=quiet,
            models=models,
            dicomweb=dicomweb or orthanc.dicomweb_url,
            orthanc=orthanc.url,
            follow=str(follow).lower(),
        )
        self.settings_file.write_text(text + more)
        self.settings: Settings = load_settings(self.settings_file, {})
        self.process: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()
        self._book: Journal | None = None

    @property
    def url(self) -> str:
        """Root of the node's HTTP server."""
        return f"http://127.0.0.1:{self.http_port}"

    def start(self) -> None:
        """Start, and return when the node is healthy."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "ainode", "serve", "--settings", str(self.settings_file)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"TCP_NODELAY": "1"})
        self.wait(self._healthy, "the node to be healthy")

    def kill(self) -> None:
        """End the node as a crash would: SIGKILL."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ask the node to end, and wait until it has."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0, self.tail()

    def ainode(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another ``ainode`` command with the settings of this node."""
        command = [sys.executable, "-m", "ainode", *arguments]
        environment = os.environ | {"AINODE_SETTINGS": str(self.settings_file)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)

    def look(self, see: Callable[[Journal], T]) -> T:
        """Look into the node's journal."""
        if self._book is None:
            self._book = self._open.enter_context(journal(self.settings))
        try:
            return see(self._book)
        except OperationalError:  # the database was away meanwhile, and took the connection with it
            self._open.close()
            self._book = self._open.enter_context(journal(self.settings))
            return see(self._book)

    def wait(self, condition: Callable[[], object], what: str, *, seconds: float = 180) -> None:
        """Wait until ``condition`` holds; fails, with the end of the node's log, when it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process
            assert self.process.poll() is None, f"the node ended while waiting for {what}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"no {what} in {seconds:g} s:\n{self.tail()}"
            time.sleep(0.05)

    def wait_for_run(self, *states: str, count: int = 1) -> RunRow:
        """The newest run, once there are ``count`` runs and it is in one of ``states``."""
        found: list[RunRow] = []

        def reached() -> bool:
            found[:] = self.look(lambda book: book.runs.all())
            return len(found) >= count and found[0].state in states

        self.wait(reached, f"run {' or '.join(states)}")
        return found[0]

    def wait_for_delivery(self, run_id: str) -> None:
        """Return when every destination shows the result of the run."""

        def delivered() -> bool:
            rows = self.look(lambda book: book.deliveries.of_run(run_id))
            assert not any(row.state == "dead" for row in rows), rows
            return bool(rows) and all(row.state == "delivered" for row in rows)

        self.wait(delivered, "delivery")

    def reports(self, query: str = "") -> list[dict[str, object]]:
        """DiagnosticReports that the node's FHIR server finds."""
        found = request("GET", f"{self.url}/fhir/DiagnosticReport?{query}").json()
        return [entry["resource"] for entry in found.get("entry", [])]

    def tail(self) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text().splitlines()[-25:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if error is None:
            self.stop()
        elif self.process and self.process.poll() is None:
            self.kill()

    def _healthy(self) -> bool:
        try:
            return bool(request("GET", f"{self.url}/health").status_code == 200)
        except httpx.TransportError:
            return False
