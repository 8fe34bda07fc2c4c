"""Where and how a subscriber is told: rest-hook alone, to addresses that the site has named (against SSRF)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ainode_fhir.datatypes import Json
from ainode_fhir.outcome import FhirProblem

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
LEVELS = ("empty", "id-only", "full-resource")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MEDIA = ("application/fhir+json", "application/json")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}): *([\x20-\x7e]{0,4096})")
_OURS = ("host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade", "expect")
"""Headers that a subscriber may not set."""
_MOST, _TIMEOUT_S, _LONGEST_S = 20, 10, 60
"""Events in one notification, and seconds to wait for its answer, unless it says otherwise; and seconds at most."""
_LEAST_HEARTBEAT_S = 10


@dataclass(frozen=True)
class Channel:
    """``Subscription.channel``, checked."""

    endpoint: str
    headers: tuple[tuple[str, str], ...]
    level: str
    """One of `LEVELS`."""
    heartbeat: int
    """Seconds; 0 for none."""
    timeout: int
    """Seconds."""
    most: int
    """Events in one notification."""

    @classmethod
    def of(cls, resource: Json, hosts: Collection[str]) -> "Channel":
        """That of a Subscription; FhirProblem (422) for one that is not served. ``hosts`` may be called."""
        channel = resource["channel"]
        if channel["type"] != "rest-hook":
            raise refusal("channel.type must be rest-hook")
        heartbeat = _number(channel, "backport-heartbeat-period", 0)
        return cls(
            endpoint=_endpoint(str(channel.get("endpoint", "")), hosts),
            headers=tuple(_headers(channel.get("header", []))),
            level=_level(channel),
            heartbeat=max(heartbeat, _LEAST_HEARTBEAT_S) if heartbeat else 0,
            timeout=min(max(_number(channel, "backport-timeout", _TIMEOUT_S), 1), _LONGEST_S),
            most=min(max(_number(channel, "backport-max-count", _MOST), 1), 100),
        )

    @property
    def host(self) -> str:
        """Of the endpoint."""
        return urlsplit(self.endpoint).hostname or ""


def refusal(text: str) -> FhirProblem:
    """What to raise for a Subscription that is well-formed, but not served."""
    return FhirProblem(422, "business-rule", text)


def extension(element: Any, name: str) -> Iterator[Any]:
    """Values of an extension of the Backport guide on an element."""
    for each in (element or {}).get("extension", []):
        if each["url"] == BACKPORT + name:
            yield from (value for key, value in each.items() if key.startswith("value"))


def _endpoint(url: str, hosts: Collection[str]) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as exc:
        raise refusal("channel.endpoint is no URL") from exc
    if not hosts:
        raise refusal("this node notifies nobody: its settings name no host in [fhir] subscription_hosts")
    if host not in hosts:
        raise refusal("the host of channel.endpoint is not among those that [fhir] subscription_hosts names")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise refusal("channel.endpoint must be https; http is for this machine's own address")
    if "@" in parts.netloc or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise refusal("channel.endpoint must have no user, password, fragment or blank: use channel.header to log in")
    return url


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _HEADER.fullmatch(line)
        if not match or match[1].lower() in _OURS:
            raise refusal("channel.header must be Name: value, and none that HTTP itself needs")
        yield match[1], match[2]


def _level(channel: Json) -> str:
    """How much is sent; without the guide's extension what core R4 says: the resource where there is a payload."""
    payload = channel.get("payload")
    if payload and payload.split(";")[0].strip() not in _MEDIA:
        raise refusal(f"channel.payload must be {_MEDIA[0]}")
    said = next(extension(channel.get("_payload"), "backport-payload-content"), "full-resource" if payload else "empty")
    if said not in LEVELS:
        raise refusal(f"backport-payload-content must be one of {', '.join(LEVELS)}")
    return str(said)


def _number(channel: Json, name: str, default: int) -> int:
    value = next(extension(channel, name), default)
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise refusal(f"{name} must be a whole number")
    return value
