"""The JWT by which a client says who it is (RFC 7523 3, SMART App Launch: client-confidential-asymmetric)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import GuestProtocol, Key
from joserfc.jws import CompactSignature

from ainode_fhir.smart.client import Client
from ainode_fhir.smart.problem import OAuthProblem
from ainode_fhir.smart.tokens import TokenStore
from ainode_models.errors import AinodeError

KINDS = MappingProxyType({"RS384": "RSA", "ES384": "EC"})
"""Algorithms that are accepted, with the kind of key that each takes."""
LONGEST_S = 300
"""Seconds from now to ``exp`` at most."""
_LEEWAY_S = 10
"""Seconds that the clocks of client and node may differ."""
_LONGEST_TEXT = 16_384


@dataclass(frozen=True)
class Assertions:
    """Tells clients by their assertions; each is accepted once."""

    clients: Mapping[str, Client]
    store: TokenStore
    audience: str
    """URL of the token endpoint, as clients know it."""
    clock: Callable[[], float]
    """Seconds since 1970-01-01 UTC."""

    def client(self, assertion: str, address: str) -> Client:
        """The client that made the assertion and asks from ``address``; OAuthProblem when it cannot be told.

        Nothing of the assertion is believed before its signature is checked with a key of the client it claims to be.
        """
        if len(assertion) > _LONGEST_TEXT:
            raise OAuthProblem("invalid_client", "client_assertion is too long")
        claimed = _Claimed(self.clients)
        try:
            claims = jwt.decode(assertion, claimed.key, algorithms=list(KINDS)).claims
            self._registry(claims).validate(claims)
        except ExpiredTokenError as exc:
            raise claimed.refusal("the assertion has expired") from exc
        except (InvalidClaimError, MissingClaimError) as exc:
            raise claimed.refusal(f"the assertion lacks a claim, or has a wrong one: {exc.claim}") from exc
        except (JoseError, ValueError) as exc:
            raise claimed.refusal("client_assertion is no JWT in RS384 or ES384 by a key of the client") from exc
        self._check(claims, claimed, address)
        return claimed.client

    def _registry(self, claims: Mapping[str, Any]) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self.clock()),
            leeway=_LEEWAY_S,
            iss={"essential": True},
            sub={"essential": True, "value": str(claims.get("iss"))},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            jti={"essential": True},
        )

    def _check(self, claims: Mapping[str, Any], claimed: "_Claimed", address: str) -> None:
        """What the registry of claims does not know; last, whether the assertion was used before."""
        if claims["exp"] > self.clock() + LONGEST_S + _LEEWAY_S:
            raise claimed.refusal(f"exp is more than {LONGEST_S} s ahead")
        if not claimed.client.may_come_from(address):
            raise claimed.refusal("the client may not come from this address")
        if not self.store.use_assertion(claimed.client.id, claims["jti"], int(claims["exp"]) + _LEEWAY_S):
            raise claimed.refusal("this jti was used before: make a new assertion for each request")


class _Claimed:
    """Whom an assertion claims to be from, found while its key is looked for."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._found: Client | None = None

    @property
    def client(self) -> Client:
        """The client, once ``key`` has found one."""
        if self._found is None:
            raise OAuthProblem("invalid_client", "client_assertion does not say who made it")
        return self._found

    def refusal(self, description: str) -> OAuthProblem:
        """What to raise."""
        return OAuthProblem("invalid_client", description, client=self._found.id if self._found else "")

    def key(self, signed: GuestProtocol) -> Key:
        """The key that must have signed, by client, ``kid`` and algorithm."""
        header = signed.headers()
        claims = json.loads(signed.payload or b"") if isinstance(signed, CompactSignature) else None
        issuer = claims.get("iss") if isinstance(claims, dict) else None
        self._found = self._clients.get(issuer) if isinstance(issuer, str) else None
        if self._found is None:
            raise self.refusal("no client of this name is registered here")
        keys = self._found.keys
        if "jku" in header and header["jku"] != keys.url:
            raise self.refusal("jku is not the address that the client was registered with")
        try:
            named = keys.find(str(header.get("kid", "")))
        except AinodeError as exc:
            raise OAuthProblem("temporarily_unavailable", str(exc), client=self._found.id) from exc
        fitting = [key for key in named if key.key_type == KINDS.get(header["alg"])]
        if not fitting:
            raise self.refusal("the client has no key with this kid for this algorithm")
        return fitting[0]
