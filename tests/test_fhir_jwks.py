"""Public keys of a client: from a file and from its own server, kept no longer than that server allows."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ainode.settings import Fhir, FhirClient
from ainode_fhir.smart.jwks import FileKeys, UrlKeys, keys_of
from ainode_models.errors import ConfigError, PeerUnreachable
from peers.smart_node import CLIENT, EC, RSA, Now, key_set, smart_node
from peers.web import serving


class KeyServer:
    """The client's own server: what it answers, and how often it was asked."""

    def __init__(self) -> None:
        self.body, self.status, self.headers = key_set(RSA), 200, {"cache-control": "max-age=100"}
        self.asked = 0
        self.app = Starlette(routes=[Route("/jwks", self._answer)])

    def _answer(self, _request: Request) -> Response:
        self.asked += 1
        return Response(self.body, self.status, headers=self.headers)


@pytest.fixture
def server() -> KeyServer:
    return KeyServer()


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def keys(server: KeyServer, now: Now) -> Iterator[UrlKeys]:
    with serving(server.app) as root, httpx.Client(trust_env=False) as http:
        yield UrlKeys(f"{root}/jwks", http, now)


def test_a_set_is_kept_as_long_as_its_server_says_and_no_longer(keys: UrlKeys, server: KeyServer, now: Now) -> None:
    assert [key.kid for key in keys.find("rsa-1")] == ["rsa-1"]
    now.seconds += 99
    assert keys.find("rsa-1")
    assert server.asked == 1
    now.seconds += 1
    server.body = key_set(EC)
    assert keys.find("rsa-1") == ()
    assert server.asked == 2


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"cache-control": "no-store"}, 0),
        ({"cache-control": "no-cache, max-age=60"}, 0),
        ({"cache-control": "private"}, 0),
        ({"cache-control": "max-age=60", "age": "50"}, 10),
        ({"cache-control": "max-age=999999999"}, 86400),
        ({}, 60),
    ],
)
def test_what_the_server_says_of_caching_is_kept_to(
    keys: UrlKeys, server: KeyServer, now: Now, headers: dict[str, str], kept: int
) -> None:
    server.headers = headers
    keys.find("rsa-1")
    if kept:
        now.seconds += kept - 1
        keys.find("rsa-1")
        assert server.asked == 1
    now.seconds += 1
    keys.find("rsa-1")
    assert server.asked == 2


def test_a_new_key_is_found_before_the_old_set_is_over_but_not_asked_for_all_the_time(
    keys: UrlKeys, server: KeyServer, now: Now
) -> None:
    keys.find("rsa-1")
    assert keys.find("ec-1") == ()
    assert server.asked == 1
    server.body = key_set(RSA, EC)
    now.seconds += 5
    assert keys.find("ec-1")
    assert server.asked == 2


@pytest.mark.parametrize(("body", "status"), [("{}", 200), ("rubbish", 200), (key_set(RSA), 500)])
def test_a_server_without_a_set_of_keys_is_a_peer_that_cannot_be_asked(
    keys: UrlKeys, server: KeyServer, body: str, status: int
) -> None:
    server.body, server.status = body, status
    with pytest.raises(PeerUnreachable):
        keys.find("rsa-1")
    server.body, server.status = key_set(RSA), 200
    assert keys.find("rsa-1")


def test_a_client_with_keys_on_its_server_gets_a_token_and_must_name_no_other_place(
    server: KeyServer, tmp_path: Path
) -> None:
    with serving(server.app) as root:
        client = FhirClient(id=CLIENT, scopes="system/*.rs", jwks_url=f"{root}/jwks")
        with smart_node(tmp_path, fhir=Fhir(client=(client,))) as node:
            assert node.ask(node.assertion()).status_code == 200
            assert node.ask(node.assertion(jku=f"{root}/jwks")).status_code == 200
            refused = node.ask(node.assertion(jku="https://evil.example/jwks"))
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
            server.status, server.headers = 503, {}
            assert node.ask(node.assertion(EC)).json()["error"] == "invalid_client"
            node.now.seconds += 1
        with smart_node(tmp_path, fhir=Fhir(client=(client,))) as node:
            away = node.ask(node.assertion())
            assert (away.status_code, away.json()["error"]) == (503, "temporarily_unavailable")


def test_a_file_is_read_anew_and_one_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    keys = FileKeys(path)
    for text, why in {
        "": "holds no JWK Set",
        "[]": "it has no list of keys",
        json.dumps({"keys": [RSA.as_dict(private=True)]}): "private key",
        json.dumps({"keys": [{"kty": "RSA", "kid": "x"}]}): "damaged",
    }.items():
        path.write_text(text)
        with pytest.raises(ConfigError, match=why):
            keys.all()
    path.write_text(key_set(RSA))
    assert keys.find("rsa-1")
    path.write_text(key_set(EC))
    assert keys.find("rsa-1") == ()


def test_keys_of_other_kinds_are_passed_over_and_short_ones_refused() -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ", "kid": "s"}
    ec = ECKey.generate_key("P-256", {"kid": "p256"}).as_dict(private=False)
    assert [key.kid for key in keys_of({"keys": [secret, ec]})] == ["p256"]
    with pytest.warns(UserWarning, match="2048"):
        short = RSAKey.generate_key(1024).as_dict(private=False)
        with pytest.raises(ValueError, match="less than 2048 bits"):
            keys_of({"keys": [short]})
