"""API keys, for REST or for FHIR: a file for each in a folder of the node, which holds no more than a hash of it."""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ainode_models.errors import ConfigError

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_REVIEWER = r"[^\x00-\x20|]{1,256}\|[^\x00-\x1f|]{1,256}"
PREFIX = "ain_"
"""Beginning of every key, by which it is told from an access token."""
_BYTES = 32


@dataclass(frozen=True)
class ApiKey:
    """What is known of one key."""

    name: str
    sha256: str
    """Of the key. It is 256 random bits, which nobody can try out: a slow hash, as for words that people choose, would
    only cost every request its time."""
    created_at: str
    """ISO 8601."""
    fhir: str = ""
    """Scopes of a key for FHIR; empty for one for REST."""
    patients: tuple[str, ...] | None = None
    """Identifiers (``system|value``) of the patients that a key for FHIR is limited to; None for all."""
    reviewer: str = ""
    """``system|value`` of the human who may review results with it, ``system|*`` for a program that speaks for all of
    an identifier system; empty for a key that reviews nothing."""
    reviewer_name: str = ""
    """Of the human, for readers."""


class ApiKeys:
    """The keys of a node; what is added or revoked counts from the next request on, without a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(
        self,
        name: str,
        now: datetime,
        fhir: str = "",
        patients: tuple[str, ...] | None = None,
        *,
        reviewer: str = "",
        reviewer_name: str = "",
    ) -> str:
        """A new key, to be told once; ConfigError when the name cannot be one, or is there already.

        With scopes in ``fhir`` it is for FHIR, and not for REST, and with ``patients`` limited to them; with
        ``reviewer`` it is for REST, and for reviews.
        """
        if reviewer and (fhir or not re.fullmatch(_REVIEWER, reviewer)):
            raise ConfigError(f"{reviewer!r} is no reviewer of a key for REST; write it as SYSTEM|VALUE or SYSTEM|*")
        path = self._path(name)
        key = PREFIX + secrets.token_urlsafe(_BYTES)
        row: dict[str, object] = {"sha256": _hash(key), "created_at": now.astimezone(UTC).isoformat(timespec="seconds")}
        row |= {"fhir": fhir} if fhir else {}
        row |= {} if patients is None else {"patients": list(patients)}
        row |= {"reviewer": reviewer, "reviewer_name": reviewer_name} if reviewer else {}
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as exc:
            raise ConfigError(f"there is a key called {name!r} already; revoke it, or choose another name") from exc
        with os.fdopen(descriptor, "w") as file:
            json.dump(row, file)
            file.flush()
            os.fsync(file.fileno())
        return key

    def revoke(self, name: str) -> None:
        """Let a key count no more; ConfigError when there is none of that name."""
        try:
            self._path(name).unlink()
        except FileNotFoundError as exc:
            raise ConfigError(f"there is no key called {name!r}; ainode keys list shows them") from exc

    def all(self) -> list[ApiKey]:
        """Every key, by name; a file that is none counts as a key that nobody has."""
        return sorted(self._read(), key=lambda key: key.name)

    def find(self, key: str) -> ApiKey | None:
        """What is known of the key; None when it is none. Takes the same time whichever it is."""
        given, found = _hash(key), None
        for known in self._read():
            if hmac.compare_digest(known.sha256.encode(), given.encode()):
                found = known
        return found

    def any(self) -> bool:
        """Whether there are keys."""
        return next(self._read(), None) is not None

    def _read(self) -> Iterator[ApiKey]:
        for path in self._folder.glob("*.json"):
            try:
                row = json.loads(path.read_text())
                patients = tuple(map(str, row["patients"])) if "patients" in row else None
                sha256, created_at, fhir, *reviewer = (
                    str(row[name]) if name in ("sha256", "created_at") else str(row.get(name, ""))
                    for name in ("sha256", "created_at", "fhir", "reviewer", "reviewer_name")
                )
                yield ApiKey(path.stem, sha256, created_at, fhir, patients, *reviewer)
            except FileNotFoundError:  # revoked meanwhile
                continue
            except (OSError, ValueError, LookupError, TypeError):
                yield ApiKey(path.stem, "", "")

    def _path(self, name: str) -> Path:
        if not re.fullmatch(_NAME, name):
            raise ConfigError(f"{name!r} is no name of a key; allowed: 1 to 64 letters, digits, -, _ and .")
        return self._folder / f"{name}.json"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
