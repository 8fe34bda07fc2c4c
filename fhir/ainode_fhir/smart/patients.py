"""Patients that a client or a key is limited to, by identifiers as FHIR searches have them: ``system|value``."""

import re
import threading
from collections.abc import Iterable
from pathlib import Path

from ainode_models.errors import ConfigError

MOST = 1000
"""Patients of one client: who may see more is limited by nobody here."""
_IDENTIFIER = re.compile(r"[^|\s]*\|[^|]+")


def checked_patients(identifiers: Iterable[str]) -> tuple[str, ...]:
    """The identifiers; ConfigError, which quotes none of them, when one is none or when there are too many."""
    found = tuple(identifiers)
    for number, each in enumerate(found, 1):
        if not _IDENTIFIER.fullmatch(each):
            raise ConfigError(f"identifier {number} of a patient is none; write system|value, as urn:oid:1.2.3|4711")
    if len(found) > MOST:
        raise ConfigError(f"there are {len(found)} patients; a limit holds {MOST} at most")
    return found


class PatientFile:
    """A file with one identifier a line; a changed one counts from the next request on. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._found: tuple[str, ...] = ()

    def read(self) -> tuple[str, ...]:
        """The identifiers; ConfigError when the file cannot be used, so that nobody is let in by an old one."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                if stamp != self._stamp:
                    lines = (line.strip() for line in self._path.read_text(encoding="utf-8").splitlines())
                    self._found = checked_patients(line for line in lines if line and not line.startswith("#"))
                    self._stamp = stamp
            except (OSError, ValueError) as exc:
                raise ConfigError(f"{self._path} cannot be read: one identifier a line, system|value") from exc
            return self._found
