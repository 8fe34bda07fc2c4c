"""Certificates for tests, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A pair of PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        _make(self._own, name, "-addext", "basicConstraints=critical,CA:TRUE")

    @property
    def file(self) -> Path:
        """What those need who are to trust it."""
        return self._own.certificate

    def issue(self, name: str) -> Certificate:
        """A certificate for 127.0.0.1, with its key."""
        issued = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        signer = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        _make(issued, name, *signer, "-addext", "subjectAltName=IP:127.0.0.1")
        return issued


def _make(files: Certificate, name: str, *options: str) -> None:
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", str(files.key))
    command = ["openssl", "req", "-x509", *key, "-out", str(files.certificate), "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, *options], check=True, capture_output=True)
