"""A local Orthanc as a child process, from the same ``orthanc.json`` that a site uses."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ainode_models.errors import ConfigError, PeerUnreachable

CONFIG = Path(__file__).resolve().parents[1] / "orthanc.json"
PROGRAM = Path("/usr/sbin/Orthanc")
_POLL_SECONDS = 0.05


def read_config(path: Path) -> dict[str, Any]:
    """Read Orthanc's configuration, JSON with whole-line ``//`` comments; ConfigError when it is not that."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        # A comment becomes an empty line so that the line number in an error is that of the file.
        config = json.loads("\n".join("" if line.lstrip().startswith("//") else line for line in lines))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"Orthanc's configuration {path} cannot be read: {exc}") from exc
    if not isinstance(config, dict):
        raise ConfigError(f"Orthanc's configuration {path} must be one JSON object")
    return config


def loopback_config(
    folder: Path, *, http_port: int, dicom_port: int, ae_title: str, base: Path = CONFIG
) -> dict[str, Any]:
    """``base`` for this machine alone: no password, no remote access, storage below ``folder``."""
    return read_config(base) | {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": ae_title,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "RegisteredUsers": {},
    }


class LocalOrthanc:
    """Orthanc on loopback with its storage and log in ``folder``; it may be stopped and started again.

    ``overrides`` are top-level keys of Orthanc's configuration that replace those of ``orthanc.json``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        http_port: int,
        dicom_port: int,
        ae_title: str = "ORTHANC",
        overrides: Mapping[str, Any] | None = None,
        program: Path = PROGRAM,
    ) -> None:
        self.folder = folder
        self.dicom_port = dicom_port
        self.ae_title = ae_title
        self.http_port = http_port
        self.log = folder / "orthanc.log"
        self._program = program
        self._config = loopback_config(folder, http_port=http_port, dicom_port=dicom_port, ae_title=ae_title) | dict(
            overrides or {}
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Root of Orthanc's REST API."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Root of its DICOMweb services."""
        return f"{self.url}/dicom-web"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_seconds: float = 30) -> None:
        """Start and return once HTTP and DICOM answer; PeerUnreachable when it ends or stays silent."""
        if self.running:
            return
        if not self._program.is_file():
            raise ConfigError(f"there is no Orthanc at {self._program}: run scripts/install-system")
        process = self._process = self._spawn()
        deadline = time.monotonic() + timeout_seconds
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise PeerUnreachable(f"Orthanc did not start; its last words in {self.log}: {self._tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, timeout_seconds: float = 30) -> None:
        """Ask Orthanc to end, wait until it has, and kill it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End Orthanc with SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stop and start on the same storage and ports."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self) -> subprocess.Popen[bytes]:
        (self.folder / "storage").mkdir(parents=True, exist_ok=True)
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._config, indent=2), encoding="utf-8")
        # Without TCP_NODELAY dcmtk loses 40 ms per object to Nagle's algorithm.
        environment = os.environ | {"TCP_NODELAY": "1"}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(self._program), str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.url}/system", timeout=5, trust_env=False)
            socket.create_connection(("127.0.0.1", self.dicom_port), timeout=5).close()
        except (httpx.TransportError, OSError):
            return False
        return True

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " | ".join(lines[-4:])
