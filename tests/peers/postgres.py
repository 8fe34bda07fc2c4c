"""A real PostgreSQL on a free port of loopback, with its data in a temporary folder."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from peers.orthanc import free_port

_PASSWORD = "s3cret"


def programs() -> Path:
    """Debian's folder of the newest PostgreSQL that is installed; its programs are not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    assert found, "there is no PostgreSQL in /usr/lib/postgresql: run scripts/install-system --test"
    return found[-1]


class PostgresServer:
    """A server of its own for a test; ``stop`` and ``start`` keep its data and its port."""

    def __init__(self, **settings: str) -> None:
        """``settings`` are PostgreSQL's, such as ``shared_buffers="1GB"``."""
        self._settings = [each for name, value in settings.items() for each in ("-c", f"{name}={value}")]
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="ainode-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; what serves a connection is a child of it."""
        assert self._process
        return self._process.pid

    def database(self, name: str) -> str:
        """Create an empty database; its SQLAlchemy URL."""
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://ainode:{_PASSWORD}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start on the same data, and return once it answers."""
        options = [
            "-D",
            self._data,
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            str(self._folder),
            "-F",
            *self._settings,
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._as_owner("postgres", *options), stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End at once, as PostgreSQL's fast shutdown does: connections are cut off."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def __enter__(self) -> Self:
        password = self._folder / "password"
        password.write_text(_PASSWORD)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            for path in (self._folder, password):
                shutil.chown(path, "postgres", "postgres")
        login = ["--username=ainode", f"--pwfile={password}", "--auth=scram-sha-256"]
        command = self._as_owner("initdb", "-D", self._data, *login, "--encoding=UTF8", "--no-sync", "--no-locale")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _as_owner(self, program: str, *arguments: str) -> list[str]:
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        return [*user, str(programs() / program), *arguments]

    def _connect(self) -> psycopg.Connection:
        where = {"host": "127.0.0.1", "port": self.port, "user": "ainode", "password": _PASSWORD}
        return psycopg.connect(**where, dbname="postgres", autocommit=True, connect_timeout=5)  # type: ignore[arg-type]

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True
