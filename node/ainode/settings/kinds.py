"""Kinds of setting: what each accepts, in words and in code."""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydicom.uid import RE_VALID_UID
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ainode.settings.secret import HIDDEN, DatabaseUrl, Secret


@dataclass(frozen=True)
class Kind:
    """One kind of value; ``accept`` and ``parse`` raise ``ValueError`` on anything else."""

    expected: str
    """What is accepted, for error messages and the reference page."""
    accept: Callable[[object], object]
    """From the value that TOML gave."""
    parse: Callable[[str], object] = str
    """From the text of an environment variable to what TOML would have given."""
    secret: bool = False
    """Whether values are kept out of messages and listings."""

    def shown(self, value: object) -> str:
        """A refused value for an error message, without secrets; a login inside a URL counts as one."""
        return "the value" if self.secret else re.sub(r"//[^/@]*@", f"//{HIDDEN}@", repr(value))


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _text_of(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - callers turn one error into one message
    return value


def text(expected: str, pattern: str = r".*") -> Kind:
    """Text that matches ``pattern`` in full."""

    def accept(value: object) -> str:
        _require(re.fullmatch(pattern, _text_of(value)) is not None)
        return _text_of(value)

    return Kind(expected, accept)


def whole(minimum: int, maximum: int, unit: str = "") -> Kind:
    """A whole number, both ends included."""

    def accept(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise ValueError
        return value

    return Kind(f"a whole number{unit} from {minimum} to {maximum}", accept, int)


def number(minimum: float, maximum: float, unit: str) -> Kind:
    """A number, both ends included."""

    def accept(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise ValueError
        return float(value)

    return Kind(f"a number of {unit} from {minimum:.12g} to {maximum:.12g}", accept, _finite)


def _finite(value: str) -> float:
    _require(math.isfinite(float(value)))
    return float(value)


def memory() -> Kind:
    """A share of a memory, or bytes."""

    def accept(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError  # noqa: TRY004 - callers turn one error into one message
        _require(0.01 <= value <= 1 or 1_000_000 <= value <= 10**15)
        return float(value)

    return Kind("a share of the memory from 0.01 to 1, or a number of bytes from 1000000", accept, _finite)


def flag() -> Kind:
    """``true`` or ``false``."""

    def accept(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError  # noqa: TRY004 - callers turn one error into one message
        return value

    def parse(value: str) -> bool:
        _require(value in ("true", "false"))
        return value == "true"

    return Kind("true or false", accept, parse)


def choice(*allowed: str) -> Kind:
    """One of a few words."""

    def accept(value: object) -> str:
        _require(value in allowed)
        return _text_of(value)

    return Kind("one of " + ", ".join(f'"{word}"' for word in allowed), accept)


def file() -> Kind:
    """A path; the reader makes it absolute from the folder of the settings file."""

    def accept(value: object) -> Path:
        _require(bool(_text_of(value)))
        return Path(_text_of(value)).expanduser()

    return Kind("a path", accept)


def optional_file() -> Kind:
    """A path, or ``""`` for none."""

    def accept(value: object) -> Path | None:
        return Path(_text_of(value)).expanduser() if _text_of(value) else None

    return Kind('a path, or "" for none', accept)


def web_url(*, optional: bool = False) -> Kind:
    """An http or https URL without user, query or fragment; a slash at its end is dropped."""

    def accept(value: object) -> str:
        url = _text_of(value)
        if not url and optional:
            return url
        parts = urlsplit(url)
        _require(parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
        _require(not (parts.username or parts.password or parts.query or parts.fragment))
        return url.rstrip("/")

    ending = ', or "" for none' if optional else ""
    return Kind(f"an http:// or https:// URL without user, password or query{ending}", accept)


def ae_title(*, wildcard: bool = False, optional: bool = False) -> Kind:
    """An AE title (PS3.5 6.2, VR AE): 1 to 16 characters, no backslash or control character, not blank."""

    def accept(value: object) -> str:
        title = _text_of(value).strip(" ")
        if not title and optional:
            return ""
        _require(re.fullmatch(r"[\x20-\x5b\x5d-\x7e]{1,16}", title) is not None)
        return title

    ending = ', or "*" for any' if wildcard else ', or "" for none' if optional else ""
    return Kind(f"an AE title of 1 to 16 ASCII characters without backslash{ending}", accept)


def uri() -> Kind:
    """An absolute URI (RFC 3986), as FHIR's ``Identifier.system`` asks."""
    return text('an absolute URI, such as "https://hospital.example/patient-id"', r"[A-Za-z][A-Za-z0-9+.-]*:[^\s|]+")


def network(*, optional: bool = False) -> Kind:
    """An IP address, or a network in CIDR notation (RFC 4632) whose host bits are zero."""

    def accept(value: object) -> str:
        if optional and not _text_of(value):
            return ""
        return str(ipaddress.ip_network(_text_of(value)))

    ending = ', or "" for any' if optional else ""
    return Kind(f'an IP address, or a network such as "10.1.2.0/24"{ending}', accept)


def uids() -> Kind:
    """A list of UIDs (PS3.5 9.1); commas part them in an environment variable."""

    def accept(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError  # noqa: TRY004 - callers turn one error into one message
        _require(all(re.fullmatch(RE_VALID_UID, _text_of(uid)) and len(uid) <= 64 for uid in value))
        return tuple(value)

    def parse(value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]

    return Kind("a list of UIDs", accept, parse)


def identifiers() -> Kind:
    """A list of identifiers of patients, ``system|value``; commas part them in an environment variable."""

    def accept(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError  # noqa: TRY004 - callers turn one error into one message
        _require(bool(value) and all(re.fullmatch(r"[^|\s]*\|[^|]+", _text_of(each)) for each in value))
        return tuple(value)

    def parse(value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]

    return Kind('a list of identifiers such as "urn:oid:1.2.3|4711"', accept, parse)


def hosts() -> Kind:
    """A list of host names and addresses; commas part them in an environment variable."""

    def accept(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError  # noqa: TRY004 - callers turn one error into one message
        _require(all(re.fullmatch(r"[a-z0-9._:-]+", _text_of(host)) for host in value))
        return tuple(value)

    def parse(value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]

    return Kind("a list of host names or addresses in small letters, without port", accept, parse)


def secret() -> Kind:
    """Text that is never shown."""

    def accept(value: object) -> Secret:
        return Secret(_text_of(value))

    return Kind('text, or "" for none; never shown', accept, secret=True)


def database_url() -> Kind:
    """An SQLAlchemy URL of SQLite or PostgreSQL, or ``""``."""

    def accept(value: object) -> DatabaseUrl:
        url = _text_of(value)
        try:
            _require(not url or make_url(url).get_backend_name() in ("sqlite", "postgresql"))
        except ArgumentError as exc:
            raise ValueError from exc
        return DatabaseUrl(url)

    return Kind('an SQLAlchemy URL, "postgresql+psycopg://..." or "sqlite:///...", or ""', accept, secret=True)
