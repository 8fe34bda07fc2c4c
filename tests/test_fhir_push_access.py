"""How the node gets into an EHR that asks for access tokens: SMART Backend Services, and client id with secret."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from typer.testing import CliRunner

from ainode import peers
from ainode.cli import app
from ainode.deliver.destination import Result
from ainode.doctor.finding import Result as Verdict
from ainode.doctor.others import check_destinations
from ainode.settings import Destination, Settings, load_settings
from ainode.settings.secret import Secret
from ainode_fhir.access import BackendAccess, Client
from ainode_fhir.bundle import report_bundle
from ainode_fhir.push import FhirDestination
from ainode_fhir.signing_key import SigningKey
from ainode_fhir.site import Site
from ainode_models.errors import PeerError, PeerRefused, PeerUnreachable, SettingsError
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY
from peers.token_server import LIFETIME_S, TokenServer, guarded_receiver

BUNDLE = report_bundle(POSITIVE, STUDY, OBJECTS, site=Site())
KEYS: dict[str, Callable[[], Any]] = {
    "RS384": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


def key_file(folder: Path, key: Any, password: str = "") -> Path:
    way = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, way))
    return path


def es384(folder: Path, **more: str) -> SigningKey:
    return SigningKey.read(key_file(folder, KEYS["ES384"]()), **more)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


def settings_of(url: str, **fields: Any) -> Destination:
    return Destination(name="ehr", kind="fhir", url=url, oauth_client_id="ainode", **fields)


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("key_id", ["", "ehr-1"])
def test_a_result_is_pushed_with_one_token_for_a_signed_assertion(tmp_path: Path, algorithm: str, key_id: str) -> None:
    path = key_file(tmp_path, KEYS[algorithm](), "sesame")
    server = TokenServer()
    with guarded_receiver(tmp_path, server) as ehr:
        item = settings_of(ehr.url, oauth_key=path, oauth_key_id=key_id, oauth_key_password=Secret("sesame"))
        key = peers.signing_key(item)
        assert key
        assert key.algorithm == algorithm
        server.keys = [key.public()]
        report = tmp_path / "report.json"
        report.write_text(BUNDLE.model_dump_json())
        result = Result("run", "1.2", (), (report,))
        destination = peers.destination(item, Settings())
        assert not destination.shows(result)
        destination.send(result)
        assert destination.shows(result)
    assert server.scopes == ["system/*.crus"]


def test_a_result_is_pushed_with_client_id_and_secret_to_a_token_endpoint_that_is_given(tmp_path: Path) -> None:
    server = TokenServer(secret="s:e c+r%t")
    with guarded_receiver(tmp_path, server) as ehr:
        item = settings_of(
            ehr.url, oauth_secret=Secret(server.secret), oauth_scope="a b", oauth_token_url=f"{ehr.url}/auth/token"
        )
        with httpx.Client(**peers.client_arguments(item)) as client:
            assert FhirDestination(ehr.url, client).push(BUNDLE)
            server.secret = "another"
            server.tokens.clear()
            with pytest.raises(PeerRefused, match="auth/token gave no access token, but 401 invalid_client: secret"):
                FhirDestination(ehr.url, client).push(BUNDLE)
    assert server.scopes == ["a b"]


def test_a_token_is_kept_until_shortly_before_its_end_and_renewed_once_after_401(tmp_path: Path) -> None:
    clock, key = Clock(), es384(tmp_path)
    server = TokenServer([key.public()], clock=clock)
    with guarded_receiver(tmp_path, server) as ehr:
        access = BackendAccess(Client("ainode", "system/*.rs", key), base_url=ehr.url, clock=clock)
        with httpx.Client(auth=access, trust_env=False) as client:
            destination = FhirDestination(ehr.url, client)

            def granted() -> int:
                destination.push(BUNDLE)
                return len(server.scopes)

            assert [granted(), granted()] == [1, 1]
            clock.now += LIFETIME_S - 31
            assert granted() == 1
            clock.now += 2
            assert granted() == 2
            server.tokens.clear()
            assert [granted(), granted()] == [3, 3]
            server.lets_in = False
            with pytest.raises(PeerRefused, match="answered 401"):
                destination.push(BUNDLE)
            assert len(server.scopes) == 4
            server.lets_in = True
            assert granted() == 4


@pytest.mark.parametrize(
    ("failure", "error", "words"),
    [
        ((503, {}), PeerUnreachable, "answered 503"),
        ((429, {}), PeerUnreachable, "answered 429"),
        ((200, []), PeerUnreachable, "answered 200 without a whole JSON object"),
        ((400, {"error": "invalid_scope"}), PeerRefused, "gave no access token, but 400 invalid_scope"),
        ((302, {}), PeerRefused, "gave no access token, but 302"),
        ((200, {"access_token": "a", "token_type": "mac"}), PeerRefused, "gave no bearer token"),
        ((200, {"access_token": "a\nb", "token_type": "bearer"}), PeerRefused, "gave no bearer token"),
    ],
)
def test_a_refusal_of_the_token_says_why_and_whether_to_try_again(
    tmp_path: Path, failure: tuple[int, Any], error: type[PeerError], words: str
) -> None:
    key = es384(tmp_path)
    server = TokenServer([key.public()], failure=failure)
    with guarded_receiver(tmp_path, server) as ehr:
        access = BackendAccess(Client("ainode", "system/*.rs", key), base_url=ehr.url)
        with httpx.Client(auth=access, trust_env=False) as client:
            with pytest.raises(error, match=words):
                FhirDestination(ehr.url, client).push(BUNDLE)
            server.failure = None
            assert FhirDestination(ehr.url, client).push(BUNDLE)


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({}, "names no token_endpoint; set oauth_token_url"),
        ({"token_endpoint": ["x"]}, "names no token_endpoint"),
        ({"token_endpoint": "http://ehr.example/token"}, "names a token_endpoint without TLS"),
        (
            {
                "token_endpoint": "https://ehr.example/token",
                "token_endpoint_auth_signing_alg_values_supported": ["RS384"],
            },
            "takes RS384, and oauth_key signs with ES384",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_sends_no_assertion(
    tmp_path: Path, configuration: dict[str, object], words: str
) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"x": 1, **configuration})

    access = BackendAccess(Client("ainode", "s", es384(tmp_path)), base_url="https://ehr.example/fhir")
    with httpx.Client(auth=access, transport=httpx.MockTransport(answer)) as client, pytest.raises(PeerRefused) as told:
        FhirDestination("https://ehr.example/fhir", client).push(BUNDLE)
    assert words in str(told.value)
    assert asked == ["/fhir/.well-known/smart-configuration"]


def test_a_token_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    server = TokenServer(token_url="http://127.0.0.1:9/token")
    with guarded_receiver(tmp_path, server) as ehr:
        access = BackendAccess(Client("ainode", "s", es384(tmp_path)), base_url=ehr.url)
        with (
            httpx.Client(auth=access, trust_env=False) as client,
            pytest.raises(PeerUnreachable, match=r"http://127.0.0.1:9/token did not answer: ConnectError"),
        ):
            FhirDestination(ehr.url, client).push(BUNDLE)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(public_exponent=65537, key_size=1024)]
)
def test_a_key_that_smart_does_not_take_is_refused(tmp_path: Path, key: Any) -> None:
    with pytest.raises(SettingsError, match=r"key.pem cannot be used as oauth_key; give an RSA key of 2048 bits"):
        SigningKey.read(key_file(tmp_path, key))


def test_a_key_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEYS["ES384"](), "sesame")
    for password in ("", "wrong"):
        with pytest.raises(SettingsError, match=r"key.pem cannot be used as oauth_key \("):
            SigningKey.read(path, password=password)
    with pytest.raises(SettingsError, match=r"none.pem cannot be used"):
        SigningKey.read(tmp_path / "none.pem")


def test_the_doctor_asks_for_a_token_and_says_why_there_is_none(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEYS["ES384"]())
    server = TokenServer([SigningKey.read(path).public()])
    with guarded_receiver(tmp_path, server) as ehr:
        settings = Settings(destination=(settings_of(ehr.url, oauth_key=path),))
        good = next(check_destinations(settings))
        server.keys = []
        bad = next(check_destinations(settings))
    assert good.result is not Verdict.FAILED
    assert len(server.scopes) == 1
    assert (bad.result, "401 invalid_client: signature" in str(bad)) == (Verdict.FAILED, True)


def test_the_public_keys_to_register_are_printed_without_the_private_ones(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEYS["RS384"]())
    file = tmp_path / "ainode.toml"
    file.write_text(f"""
[[destination]]
name = "ehr"
kind = "fhir"
url = "https://ehr.example/fhir"
oauth_client_id = "ainode"
oauth_key = "{path.name}"
""")
    printed = CliRunner().invoke(app, ["config", "jwks", "--settings", str(file)])
    (key,) = json.loads(printed.stdout)["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
    assert key == SigningKey.read(path).public()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("oauth_secret = 's'", "oauth_client_id: is missing; oauth_secret belongs to it"),
        ("oauth_client_id = 'a'", "oauth_key: choose one: oauth_key or oauth_secret"),
        ("oauth_client_id = 'a'\noauth_secret = 's'\noauth_key = 'k'", "oauth_key: choose one"),
        ("oauth_client_id = 'a'\noauth_secret = 's'\noauth_key_id = 'k'", "oauth_key: is missing"),
        ("oauth_client_id = 'a'\noauth_secret = 's'\ntoken = 't'", "token: choose one way to log in"),
    ],
)
def test_oauth_settings_that_contradict_each_other_are_refused(tmp_path: Path, fields: str, words: str) -> None:
    file = tmp_path / "ainode.toml"
    file.write_text(f"[[destination]]\nname = 'd'\nkind = 'fhir'\nurl = 'https://h/'\n{fields}\n")
    with pytest.raises(SettingsError) as told:
        load_settings(file, os.environ)
    assert words in str(told.value)
