"""A small site on this machine: a real Orthanc, a node that follows it, and a viewer."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import uvicorn

from ainode.settings import Settings, load_settings
from ainode_models.errors import ConfigError, PeerUnreachable
from ainode_orthanc.server import LocalOrthanc
from ainode_orthanc.viewer import viewer_app

STORESCU = Path("/usr/bin/storescu")
"""dcmtk's: pynetdicom installs another of the same name on the PATH of a virtual environment."""
WITHOUT_NAGLE = os.environ | {"TCP_NODELAY": "1"}
"""Without TCP_NODELAY dcmtk loses 40 ms per object to Nagle's algorithm."""
_SETTINGS = """\
# Written by `ainode demo`; a real site's file looks the same. See docs/settings.md.
[node]
folder = "node"

[complete]
quiet = {quiet}

[dicom]
port = {node_dicom}

[web]
port = {node_http}

[rules]
file = "rules.toml"

[models]
folder = "{models}"

[[archive]]
name = "orthanc"
dicomweb = "http://127.0.0.1:{orthanc_http}/dicom-web"
orthanc = "http://127.0.0.1:{orthanc_http}"
follow = {follow}
follow_from = "start"
poll = 0.5

[[destination]]
name = "orthanc"
kind = "stow"
archive = "orthanc"
"""
RULES = """\
# Written by `ainode demo`; see docs/rules.md.
[[rule]]
name = "brain tumour"
model = "brain-tumour-demo"
outputs = ["seg", "sr", "fhir"]
destinations = ["orthanc"]

[rule.series]
Modality = "MR"
BodyPartExamined = "BRAIN"

[rule.input.T1]
SeriesDescription = "T1"
[rule.input.T1c]
SeriesDescription = { regex = "(?i)^t1.*(post|gd|[+]c)" }
[rule.input.T2]
SeriesDescription = "T2"
[rule.input.FLAIR]
SeriesDescription = { regex = "(?i)flair" }

[[rule]]
name = "head"
model = "t1-head-demo"
outputs = ["seg", "sr", "fhir"]
destinations = ["orthanc"]

[rule.input.T1]
Modality = "MR"
SeriesDescription = { regex = "(?i)^anat.t1" }
"""


class DemoSite:
    """Starts everything on entry and stops it on exit; state, logs and settings stay in ``folder``."""

    def __init__(
        self,
        folder: Path,
        *,
        models: Path,
        rules: str = RULES,
        ohif: Path | None = None,
        quiet: float = 5.0,
        follow: bool = True,
    ) -> None:
        """``ohif`` is the folder of the viewer, ``quiet`` the node's quiet time in seconds.

        ``follow``: whether the node fetches what Orthanc has, or only takes what is sent to it.
        """
        self.folder = folder
        self.node_log = folder / "node.log"
        self._ohif = ohif
        self._viewer_port = _port(3000)
        ports = {"orthanc_http": _port(8042), "node_dicom": _port(11112), "node_http": _port(8080)}
        self.orthanc = LocalOrthanc(
            folder / "orthanc", http_port=ports["orthanc_http"], dicom_port=_port(4242), overrides={"StableAge": 2}
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.settings_file = folder / "ainode.toml"
        chosen = {"models": models.resolve(), "quiet": quiet, "follow": str(follow).lower()}
        self.settings_file.write_text(_SETTINGS.format(**chosen, **ports), encoding="utf-8")
        (folder / "rules.toml").write_text(rules, encoding="utf-8")
        self.settings: Settings = load_settings(self.settings_file, {})
        self._stack = contextlib.ExitStack()

    @property
    def fhir_url(self) -> str:
        """Base of the node's FHIR server."""
        return f"http://127.0.0.1:{self.settings.web.port}/fhir"

    @property
    def has_viewer(self) -> bool:
        """Whether OHIF was fetched (``scripts/ohif``)."""
        return self._ohif is not None and (self._ohif / "index.html").is_file()

    def viewer_url(self, study_uid: str) -> str:
        """Where a browser shows the study: OHIF, or Orthanc's own explorer without it."""
        if self.has_viewer:
            return f"http://127.0.0.1:{self._viewer_port}/viewer?StudyInstanceUIDs={study_uid}"
        return f"{self.orthanc.url}/app/explorer.html"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.orthanc)
            stack.enter_context(self._node())
            if self._ohif and self.has_viewer:
                stack.enter_context(self._viewer(self._ohif))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def _node(self) -> Iterator[None]:
        with self.node_log.open("wb") as log:
            command = [sys.executable, "-m", "ainode", "serve", "--settings", str(self.settings_file)]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=WITHOUT_NAGLE)
        try:
            self._await_health(process)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def _await_health(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 120
        url = f"http://127.0.0.1:{self.settings.web.port}/health"
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, trust_env=False).status_code == 200:
                    return
            time.sleep(0.1)
        raise PeerUnreachable(f"the node did not start; see {self.node_log}")

    @contextlib.contextmanager
    def _viewer(self, ohif: Path) -> Iterator[None]:
        app = viewer_app(ohif, self.orthanc.dicomweb_url)
        server = uvicorn.Server(uvicorn.Config(app, port=self._viewer_port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(10)


def _port(preferred: int) -> int:
    """``preferred`` if nothing listens there, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise ConfigError("there is no free TCP port on this machine")
