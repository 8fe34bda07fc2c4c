"""Who asks, and what they may: access tokens, keys of the node, or anybody where nobody is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from ainode_fhir.outcome import FhirProblem
from ainode_fhir.smart.client import Client
from ainode_fhir.smart.scope import Scopes
from ainode_fhir.smart.tokens import AccessToken, TokenStore
from ainode_models.errors import ConfigError

AWAY = FhirProblem(503, "transient", "who asks cannot be told: the database is away")
_ALL = Scopes.parse("system/*.rs")


@dataclass(frozen=True)
class Caller:
    """One who asks."""

    name: str = ""
    """Id of a client or name of a key; empty for anybody."""
    scopes: Scopes = _ALL
    kind: Literal["anybody", "client", "key"] = "anybody"
    patients: tuple[str, ...] | None = None
    """Identifiers (``system|value``) of the patients whom the caller may see; None for all."""


@dataclass(frozen=True)
class Key:
    """A key of the node."""

    name: str
    scopes: str
    patients: tuple[str, ...] | None = None
    """As those of a `Caller`."""


class Refused(FhirProblem):
    """A caller who is not let in; ``name`` says who, as far as it is known."""

    def __init__(self, status: int, code: str, diagnostics: str, *, challenge: str = "", name: str = "") -> None:
        """``challenge`` are parameters of WWW-Authenticate (RFC 6750 3)."""
        super().__init__(status, code, diagnostics)
        self.name = name
        self.challenge = f'Bearer realm="ainode"{challenge}'


@dataclass(frozen=True)
class Callers:
    """Tells callers by what they show."""

    clients: Mapping[str, Client]
    tokens: TokenStore
    key: Callable[[str], Key | None]
    """A key of the node; None when it is none."""
    open: Callable[[Request], bool]
    """Whether a request without token or key may pass; raises FhirProblem for one that must not even be asked."""

    def caller(self, request: Request) -> Caller:
        """The one who sent the request; Refused (401) when they do not show who they are."""
        return Caller() if not shown_by(request) and self.open(request) else self.known(request)

    def at_once(self, request: Request) -> Caller | None:
        """The one who sent the request, where neither a database nor a file need be asked for it; else None.

        To wait for a thread costs as much as a third of a search.
        """
        shown = shown_by(request)
        token = self.tokens.remembered(shown) if shown else None
        client = self.clients.get(token.client) if token else None
        if client is None or client.patients:
            return None
        return self._client(shown, request.client.host if request.client else "")

    def known(self, request: Request) -> Caller:
        """The same, where nobody passes without token or key."""
        shown = shown_by(request)
        if not shown:
            raise Refused(401, "login", "needs an access token or a key as Authorization: Bearer; see docs/fhir.md")
        if found := self.key(shown):
            return Caller(found.name, Scopes.parse(found.scopes), "key", found.patients)
        return self._client(shown, request.client.host if request.client else "")

    def _client(self, shown: str, address: str) -> Caller:
        token = self.tokens.find(shown)
        if token is None:
            raise _invalid("this token or key is not known here")
        if not self.tokens.is_live(token):
            raise _invalid("the access token has expired: ask for a new one", token.client)
        client = self.clients.get(token.client)
        if client is None or not client.may_come_from(address):
            raise _invalid("the client of this token may not come, or not from here", token.client)
        try:
            patients = client.patients() if client.patients else None
        except ConfigError as exc:
            raise FhirProblem(503, "transient", "whom the client may see cannot be told: its file is away") from exc
        return Caller(token.client, token.scopes.granted(client.scopes), "client", patients)

    def live(self, token: str) -> AccessToken | None:
        """The access token, if it would be accepted now."""
        found = self.tokens.find(token)
        return found if found and self.tokens.is_live(found) and found.client in self.clients else None


def shown_by(request: Request) -> str:
    """Token or key of a request, in the header Authorization or, as REST has it, X-API-Key."""
    if given := request.headers.get("x-api-key"):
        return given
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def insufficient(caller: Caller, kind: str, permission: str) -> Refused:
    """A caller who is known, but may not do this (RFC 6750 3.1); or one who would have to be known for it."""
    scope = f"system/{kind}.{permission}"
    if caller.kind == "anybody":
        return Refused(401, "login", f"needs a token or a key with the scope {scope}")
    challenge = f', error="insufficient_scope", scope="{scope}"'
    return Refused(403, "forbidden", f"needs the scope {scope}", challenge=challenge, name=caller.name)


def _invalid(diagnostics: str, name: str = "") -> Refused:
    challenge = f', error="invalid_token", error_description="{diagnostics}"'
    return Refused(401, "login", diagnostics, challenge=challenge, name=name)
