"""Public keys of a client: a JWK Set (RFC 7517) in a file, or at an address of the client's.

An address is asked again as soon as what it said of caching is over (RFC 9111 5.2), and for a key that it did not
name before. Keys other than RSA and elliptic curves are passed over.
"""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, RSAKey

from ainode_models.errors import ConfigError, PeerUnreachable

_KINDS = ("RSA", "EC")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_SHORTEST_RSA = 2048
"""Bits (RFC 7518 3.3)."""
_UNSAID_S = 60.0
"""Seconds that a set is kept whose server says nothing of caching."""
_LONGEST_S = 86400.0
_PAUSE_S = 5.0
"""Least seconds between two questions for keys that the set did not name."""


class Keys(Protocol):
    """Where the public keys of a client are."""

    url: str
    """Address of the set; empty when it is a file."""

    def find(self, key_id: str) -> tuple[Key, ...]:
        """Keys with this ``kid``; none when there is no such key. PeerUnreachable when nobody can say."""
        ...


class FileKeys:
    """A file with a JWK Set; a changed file counts at once."""

    url = ""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, key_id: str) -> tuple[Key, ...]:
        """Keys with this ``kid``."""
        return tuple(key for key in self.all() if key.kid == key_id)

    def all(self) -> tuple[Key, ...]:
        """Every key; ConfigError when the file cannot be used."""
        try:
            return keys_of(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{self._path} holds no JWK Set: {exc}; ask the client for its public keys") from exc


class UrlKeys:
    """A JWK Set that the client serves; thread-safe."""

    def __init__(self, url: str, http: httpx.Client, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds that only grow; ``http`` has a time limit and follows no redirects."""
        self.url = url
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[Key, ...] = ()
        self._fresh_until = self._asked_at = float("-inf")

    def find(self, key_id: str) -> tuple[Key, ...]:
        """Keys with this ``kid``; the client is asked when what is known is old, or lacks it."""
        with self._lock:
            now = self._clock()
            found = self._named(key_id) if now < self._fresh_until else ()
            if not found and (now >= self._fresh_until or now >= self._asked_at + _PAUSE_S):
                self._ask(now)
                found = self._named(key_id)
            return found

    def _named(self, key_id: str) -> tuple[Key, ...]:
        return tuple(key for key in self._keys if key.kid == key_id)

    def _ask(self, now: float) -> None:
        self._keys, self._fresh_until, self._asked_at = (), now, now
        try:
            answer = self._http.get(self.url, headers={"accept": "application/json"})
            answer.raise_for_status()
            self._keys = keys_of(answer.json())
        except (httpx.HTTPError, ValueError) as exc:
            raise PeerUnreachable(f"the keys of the client cannot be fetched: {type(exc).__name__}") from exc
        self._fresh_until = now + _lifetime(answer.headers)


def keys_of(document: object) -> tuple[Key, ...]:
    """The public keys of a JWK Set; ValueError when it is none, or holds secret ones."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("it has no list of keys")
    if any(_PRIVATE & entry.keys() for entry in entries):
        raise ValueError("it holds a private key, which nobody but the client may have")
    try:
        keys = tuple(JWKRegistry.import_key(entry) for entry in entries if entry.get("kty") in _KINDS)
    except (JoseError, TypeError, KeyError) as exc:
        raise ValueError(f"one of its keys is damaged ({type(exc).__name__})") from exc
    if any(isinstance(key, RSAKey) and key.raw_value.key_size < _SHORTEST_RSA for key in keys):
        raise ValueError(f"an RSA key has less than {_SHORTEST_RSA} bits")
    return keys


def _lifetime(headers: httpx.Headers) -> float:
    """Seconds for which an answer may be used again."""
    said = headers.get("cache-control", "").lower()
    if re.search(r"no-store|no-cache", said):
        return 0.0
    age = re.search(r"max-age\s*=\s*\"?(\d{1,9})", said)
    if age is None:
        return 0.0 if said or "expires" in headers else _UNSAID_S
    spent = headers.get("age", "0")
    return min(_LONGEST_S, max(0.0, float(age[1]) - (float(spent) if spent.isdecimal() else 0.0)))
