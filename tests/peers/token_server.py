"""An authorization server before our FHIR receiver: it takes assertions or a secret, and lets in who shows its token.

Signatures are checked with the primitives of ``cryptography`` alone, not with the library that makes them.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ainode_fhir.datatypes import Json
from peers.fhir_receiver import Receiver, own_receiver

LIFETIME_S = 300
_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class TokenServer:
    """Knows one client, ``ainode``, by its JWK Set or its secret."""

    keys: list[Json] = field(default_factory=list)
    secret: str = ""
    clock: Callable[[], float] = time.time
    url: str = ""
    token_url: str = ""
    """What its configuration names as token endpoint."""
    algorithms: list[str] = field(default_factory=lambda: ["RS384", "ES384"])
    scopes: list[str] = field(default_factory=list)
    """Those of the tokens that it gave."""
    tokens: set[str] = field(default_factory=set)
    """Those that are good."""
    lets_in: bool = True
    failure: tuple[int, Json] | None = None
    """What it answers instead of a token."""
    _seen: set[str] = field(default_factory=set)

    def routes(self) -> list[Route]:
        """Its two endpoints."""
        return [
            Route("/.well-known/smart-configuration", self.configuration),
            Route("/auth/token", self.token, methods=["POST"]),
        ]

    async def configuration(self, _request: Request) -> Response:
        """SMART's configuration."""
        known = {"token_endpoint_auth_signing_alg_values_supported": self.algorithms}
        return JSONResponse({"token_endpoint": self.token_url or f"{self.url}/auth/token", **known})

    async def token(self, request: Request) -> Response:
        """A token for a client that proves who it is."""
        if self.failure:
            return JSONResponse(self.failure[1], status_code=self.failure[0])
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        wrong = self._wrong(form, request.headers.get("authorization", ""))
        if wrong:
            return JSONResponse({"error": "invalid_client", "error_description": wrong}, status_code=401)
        self.scopes.append(form["scope"])
        token = token_urlsafe()
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_S})

    def _wrong(self, form: dict[str, str], login: str) -> str:
        if form.get("grant_type") != "client_credentials":
            return "grant_type"
        if self.secret:
            told = base64.b64decode(login.removeprefix("Basic ")).decode().split(":")
            return "" if [unquote_plus(part) for part in told] == ["ainode", self.secret] else "secret"
        if form.get("client_assertion_type") != _TYPE:
            return "client_assertion_type"
        return self._wrong_assertion(form["client_assertion"])

    def _wrong_assertion(self, assertion: str) -> str:
        head, body, signature = assertion.split(".")
        header, claims = json.loads(_bytes(head)), json.loads(_bytes(body))
        key = next((key for key in self.keys if key["kid"] == header["kid"]), None)
        if not key or key["alg"] != header["alg"] or not _is_signed(f"{head}.{body}".encode(), _bytes(signature), key):
            return "signature"
        if (claims["iss"], claims["sub"], claims["aud"]) != ("ainode", "ainode", f"{self.url}/auth/token"):
            return "iss, sub or aud"
        if not self.clock() < claims["exp"] <= self.clock() + 300:
            return "exp"
        if claims["jti"] in self._seen:
            return "jti"
        self._seen.add(claims["jti"])
        return ""

    def guard(self, app: ASGIApp) -> ASGIApp:
        """``app``, for those with a good token."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            open_to_all = scope["path"] in ("/.well-known/smart-configuration", "/auth/token")
            shown = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
            if open_to_all or (self.lets_in and shown in self.tokens):
                await app(scope, receive, send)
            else:
                await JSONResponse({}, status_code=401)(scope, receive, send)

        return guarded


@contextmanager
def guarded_receiver(folder: Path, server: TokenServer) -> Iterator[Receiver]:
    """A FHIR receiver whose tokens ``server`` gives."""
    with own_receiver(folder, before=server.routes(), guard=server.guard) as receiver:
        server.url = receiver.url
        yield receiver


def _is_signed(text: bytes, signature: bytes, jwk: Json) -> bool:
    try:
        if jwk["kty"] == "RSA":
            rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key().verify(
                signature, text, padding.PKCS1v15(), SHA384()
            )
        else:
            r, s = (int.from_bytes(half) for half in (signature[:48], signature[48:]))
            point = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP384R1())
            point.public_key().verify(encode_dss_signature(r, s), text, ec.ECDSA(SHA384()))
    except InvalidSignature:
        return False
    return True


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: Any) -> int:
    return int.from_bytes(_bytes(text))
