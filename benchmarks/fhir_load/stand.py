"""A node whose FHIR server is asked, as a process of its own with its own database, and what both compute."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ainode_fhir.access import BackendAccess, Client
from ainode_fhir.signing_key import SigningKey
from peers.orthanc import free_port

_CLIENT = "bench.example"
_SETTINGS = """
[node]
folder = "state"
[dicom]
port = {dicom}
[spool]
min_free_bytes = 0
min_free_percent = 0
stock = 0
[web]
port = {http}
[rules]
file = "rules.toml"
[database]
url = "{database}"
[[fhir.client]]
id = "{client}"
scopes = "system/*.rs"
jwks = "jwks.json"
"""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stand:
    """A node that answers, with all that it stores where it is."""

    url: str
    """Base of its FHIR server."""
    pids: tuple[int, ...]
    """Of the node and of its database, if that is a program of its own; their children count, too."""
    _access: BackendAccess

    def token(self) -> str:
        """An access token by SMART Backend Services, which lives for 300 s."""
        with httpx.Client(auth=self._access, trust_env=False) as client:
            return str(client.get(f"{self.url}/Device?_count=1").raise_for_status().request.headers["authorization"])

    def cpu_s(self) -> float:
        """Seconds that all these processes computed so far (user and system, proc(5): ``stat``)."""
        children: dict[int, list[int]] = {}
        spent: dict[int, float] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            pid = int(path.parent.name)
            children.setdefault(int(fields[1]), []).append(pid)
            spent[pid] = sum(map(int, fields[11:15])) * _TICK_S  # its own time, and of children that ended
        waiting, total = list(self.pids), 0.0
        while waiting:
            pid = waiting.pop()
            total += spent.get(pid, 0.0)
            waiting += children.get(pid, [])
        return total


@contextmanager
def stand(folder: Path, *, database: str, database_pid: int | None = None) -> Iterator[Stand]:
    """``ainode serve`` on ``database`` (SQLAlchemy URL), as a site runs it, with one client that has a key."""
    folder.mkdir(parents=True, exist_ok=True)
    http = free_port()
    text = _SETTINGS.format(dicom=free_port(), http=http, database=database, client=_CLIENT)
    (folder / "ainode.toml").write_text(text)
    (folder / "rules.toml").write_text("")
    pem = generate_private_key(SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    key = SigningKey.read(folder / "key.pem")
    (folder / "jwks.json").write_text(json.dumps({"keys": [key.public()]}))
    url = f"http://127.0.0.1:{http}/fhir"
    command = [sys.executable, "-m", "ainode", "serve", "--settings", str(folder / "ainode.toml")]
    with (folder / "node.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(f"{url}/metadata", process, folder / "node.log")
            access = BackendAccess(Client(_CLIENT, "system/*.rs", key), base_url=url)
            yield Stand(url, (process.pid, *([database_pid] if database_pid else [])), access)
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the node did not start; see {log}") from None
            time.sleep(0.1)
        else:
            return
