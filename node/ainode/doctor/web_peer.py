"""Asking peers over HTTP: one question, read-only, and what the answer tells of clock and login."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ainode import peers
from ainode.doctor.finding import Finding, Result, failed, ok, warning
from ainode.settings import Credentials
from ainode_models.errors import PeerError, SettingsError

_PATIENCE_S = 10.0
_CLOCK_S = 5.0
Reading = Callable[[object], tuple[Result, str, str] | None]
"""What is wrong with the JSON of a successful answer, and what to do; None when it is what was expected."""


def ask(check: str, root: str, *, question: str, peer: Credentials, accept: str, reading: Reading) -> Iterator[Finding]:
    """GET ``question`` below ``root``; whether the answer is as expected, and how far the peer's clock is from ours."""
    try:
        answer = _get(root + question, peer, accept)
    except SettingsError as exc:
        yield failed(check, str(exc), "check the certificates of this peer in the settings")
    except PeerError as exc:
        yield failed(check, str(exc), "check what its authorization server knows of this node: client, key, scopes")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        why = re.sub(r"^\[Errno -?\d+\] ", "", str(exc).partition("\n")[0]) or type(exc).__name__
        yield failed(check, f"{root} does not answer: {why}", "is it running, and is the address right?")
    else:
        yield _judged(check, root, answer.response, reading)
        with suppress(KeyError, ValueError):
            date = parsedate_to_datetime(answer.response.headers["Date"])  # RFC 9110 6.6.1
            yield _clock(check, date.timestamp(), answer)


def ask_orthanc_time(check: str, root: str, peer: Credentials) -> Iterator[Finding]:
    """How far the clock of an Orthanc, which sends no ``Date``, is from ours; nothing when it does not say."""
    with suppress(SettingsError, httpx.HTTPError, httpx.InvalidURL, ValueError):
        answer = _get(f"{root}/tools/now", peer, "text/plain")
        date = datetime.strptime(answer.response.text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        yield _clock(check, date.timestamp(), answer)


@dataclass(frozen=True)
class _Answer:
    response: httpx.Response
    asked: float
    """Seconds since 1970, here."""
    answered: float


def _get(url: str, peer: Credentials, accept: str) -> _Answer:
    with httpx.Client(**peers.client_arguments(peer), timeout=min(peer.timeout, _PATIENCE_S)) as client:
        asked = time.time()
        return _Answer(client.get(url, headers={"Accept": accept}), asked, time.time())


def _judged(check: str, root: str, answer: httpx.Response, reading: Reading) -> Finding:
    code = answer.status_code
    if code in (401, 403):
        return failed(check, f"answers {code} to our login", "set username and password, or token, of this peer")
    if not answer.is_success:
        return failed(check, f"{root} answers {code}", "check the address, and the log of the peer")
    wrong = None if code == httpx.codes.NO_CONTENT else _read(answer, reading)  # no match, PS3.18 8.3.4.4
    return Finding(check, *wrong) if wrong else ok(check, f"{root} answers")


def _clock(check: str, theirs: float, answer: _Answer) -> Finding:
    """Compare a time of whole seconds with that of the question."""
    apart = max(theirs - answer.answered, answer.asked - (theirs + 1), 0.0)
    name = f"clock against {check.partition(':')[0]}"
    if apart <= _CLOCK_S:
        return ok(name, "agrees")
    here = datetime.fromtimestamp(answer.asked).astimezone().isoformat(timespec="seconds")
    return warning(name, f"{apart:.0f} s apart (here it is {here})", "have both follow one time server (NTP)")


def _read(answer: httpx.Response, reading: Reading) -> tuple[Result, str, str] | None:
    try:
        return reading(answer.json())
    except ValueError:
        kind = answer.headers.get("Content-Type", "something")
        return Result.FAILED, f"answers with {kind} instead of JSON", "check the address"
