"""dcmtk's programs as DIMSE peers, by full path: pynetdicom installs others of the same name."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pydicom.misc import is_dicom

from peers.orthanc import free_port

_NO_NAGLE = os.environ | {"TCP_NODELAY": "1"}


def _run(program: str, *arguments: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"/usr/bin/{program}", *arguments],
        env=_NO_NAGLE,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in sorted(path.rglob("*")) if file.is_file() and is_dicom(file)]


def storescu(
    paths: Path | list[Path],
    host: str,
    port: int,
    *,
    called: str = "ANY-SCP",
    calling: str = "STORESCU",
    options: tuple[str, ...] = (),
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """C-STORE files, or all DICOM files below a folder, in one association; asserts success if ``check``.

    ``options`` go to storescu, for example ``("-xs",)`` to propose JPEG lossless too.
    """
    names = [str(path) for path in ([paths] if isinstance(paths, Path) else paths) for path in _files(path)]
    titles = ("-aet", calling, "-aec", called)
    done = _run("storescu", "-R", *titles, *options, host, str(port), *names, timeout_seconds=300)
    assert not check or done.returncode == 0, done.stderr
    return done


def echoscu(host: str, port: int, *, called: str = "ANY-SCP", calling: str = "ECHOSCU") -> bool:
    """Whether a C-ECHO is answered with success."""
    done = _run("echoscu", "-aet", calling, "-aec", called, host, str(port), timeout_seconds=30)
    return done.returncode == 0


class StoreScp:
    """dcmtk's ``storescp``: a destination that writes what it receives into ``folder``, as it came."""

    def __init__(self, folder: Path, *, ae_title: str = "STORESCP", options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.ae_title = ae_title
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start on the same port and folder, and return once the port answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["-aet", self.ae_title, "-od", str(self.folder), "+B", "+xa", "--fork", *self._options]
        self._process = subprocess.Popen(
            ["/usr/bin/storescp", *arguments, str(self.port)],
            env=_NO_NAGLE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_for_port()

    def stop(self) -> None:
        """End the process and its forked associations."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def files(self) -> list[Path]:
        """What has arrived, sorted by name."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            except OSError:
                assert self._process is not None
                assert self._process.poll() is None, "storescp ended at once"
                assert time.monotonic() < deadline, "storescp does not listen"
                time.sleep(0.05)
            else:
                return
