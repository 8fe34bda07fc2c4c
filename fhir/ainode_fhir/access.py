"""Access tokens for the FHIR server of an EHR: SMART Backend Services, or plain client credentials (RFC 6749 4.4).

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlsplit

import httpx

from ainode_fhir.datatypes import Json
from ainode_fhir.signing_key import SigningKey
from ainode_models.errors import PeerRefused, PeerUnreachable

CONFIGURATION = "/.well-known/smart-configuration"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_HEADERS = {"accept": "application/json", "connection": "close"}
_LATER = (408, 425, 429)
_UNSAID_S = 60.0
"""Seconds that a token is used whose server does not say how long it lasts."""
_MARGIN_S = 30.0
"""Seconds before its end in which a token is not used any more; a tenth of its life if that is less."""
_Exchange = Generator[httpx.Request, httpx.Response, None]


@dataclass(frozen=True)
class Client:
    """Who this node is for the authorization server, and how it proves that: by a key or by a secret."""

    id: str
    scope: str
    key: SigningKey | None = None
    secret: str = field(default="", repr=False)
    token_url: str = ""
    """The token endpoint; empty to ask the FHIR server's SMART configuration for it."""


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    until: float
    """When it is not used any more, seconds since 1970."""


class BackendAccess(httpx.Auth):
    """Gives each request a token, which is kept until shortly before it expires; after 401 a new one is tried, once.

    The requests for it go through the same httpx client, with its TLS. They raise PeerUnreachable when it is worth
    trying again, PeerRefused with the server's reason when it is not. For one thread.
    """

    requires_response_body = True

    def __init__(self, client: Client, *, base_url: str, clock: Callable[[], float] = time.time) -> None:
        """``base_url`` is that of the FHIR server."""
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._token_url = client.token_url
        self._token: _Token | None = None

    def auth_flow(self, request: httpx.Request) -> _Exchange:
        """See ``httpx.Auth``."""
        kept = self._token is not None and self._clock() < self._token.until
        if not kept:
            yield from self._renew()
        answer = yield self._with_token(request)
        if answer.status_code == httpx.codes.UNAUTHORIZED and kept:  # it was revoked, or their clock is ahead
            yield from self._renew()
            yield self._with_token(request)

    def _with_token(self, request: httpx.Request) -> httpx.Request:
        assert self._token
        request.headers["authorization"] = f"Bearer {self._token.value}"
        return request

    def _renew(self) -> _Exchange:
        self._token = None
        if not self._token_url:
            url = self._base_url + CONFIGURATION
            self._token_url = self._endpoint(_read(url, (yield httpx.Request("GET", url, headers=_HEADERS))))
        answer = yield self._question()
        if answer.status_code >= 400 and not self._client.token_url:
            self._token_url = ""  # it may have moved: look again the next time
        self._token = self._token_of(_read(answer.request.url.copy_with(query=None), answer))

    def _endpoint(self, configuration: Json) -> str:
        url, known = (
            configuration.get("token_endpoint"),
            configuration.get("token_endpoint_auth_signing_alg_values_supported"),
        )
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PeerRefused(f"{self._base_url}{CONFIGURATION} names no token_endpoint; set oauth_token_url")
        if parts.scheme == "http" and self._base_url.startswith("https:"):
            raise PeerRefused(f"{self._base_url}{CONFIGURATION} names a token_endpoint without TLS")
        if self._client.key and isinstance(known, list) and self._client.key.algorithm not in known:
            takes = ", ".join(map(str, known))[:100]
            raise PeerRefused(f"{self._base_url} takes {takes}, and oauth_key signs with {self._client.key.algorithm}")
        return str(url)

    def _question(self) -> httpx.Request:
        client, headers = self._client, dict(_HEADERS)
        form = {"grant_type": "client_credentials", "scope": client.scope}
        if client.key:
            assertion = client.key.assertion(client.id, self._token_url, self._clock())
            form |= {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
            return httpx.Request("POST", self._token_url, data=form, headers=headers)
        request = httpx.Request("POST", self._token_url, data=form, headers=headers)
        # RFC 6749 2.3.1: both are form-encoded before they are put together
        login = httpx.BasicAuth(quote_plus(client.id), quote_plus(client.secret))
        return next(login.auth_flow(request))

    def _token_of(self, answer: Json) -> _Token:
        value, kind = answer.get("access_token"), str(answer.get("token_type", ""))
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or kind.lower() != "bearer":
            raise PeerRefused(f"{self._token_url} gave no bearer token")
        lifetime = answer.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else _UNSAID_S
        return _Token(value, self._clock() + seconds - min(_MARGIN_S, seconds / 10))


def _read(url: httpx.URL | str, answer: httpx.Response) -> Json:
    """The JSON object of a successful answer."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    told: Json = body if isinstance(body, dict) else {}
    status = answer.status_code
    if status >= 500 or status in _LATER or (answer.is_success and not told):
        raise PeerUnreachable(f"{url} answered {status}{'' if status >= 300 else ' without a whole JSON object'}")
    if not answer.is_success:
        # RFC 6749 5.2
        reason = ": ".join(str(told[key]) for key in ("error", "error_description") if key in told)
        raise PeerRefused(f"{url} gave no access token, but {status} {reason}".rstrip()[:500])
    return told
