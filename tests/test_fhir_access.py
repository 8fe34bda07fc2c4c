"""Who may ask the FHIR server: tokens by SMART Backend Services, keys and scopes; each refusal is recorded."""

import base64
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from joserfc.jwk import RSAKey

from ainode.settings import Fhir, FhirClient
from ainode_fhir.bundle import as_json
from peers.postgres import PostgresServer
from peers.smart_node import CLIENT, EC, RSA, STRANGER, SmartNode, audit_of, smart_node


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmartNode]:
    with smart_node(tmp_path_factory.mktemp("smart")) as node:
        yield node


@pytest.fixture
def node(shared: SmartNode) -> SmartNode:
    """The node, a day after the test before."""
    shared.now.seconds += 86400
    return shared


def newest(node: SmartNode) -> tuple[str, str, str]:
    """Subtype, client and outcome of the last access."""
    return audit_of(node.audit("_count=5")[0])


def node_settings(folder: Path, scopes: str, address: str = "") -> Fhir:
    return Fhir(client=(FhirClient(id=CLIENT, scopes=scopes, jwks=folder / "jwks.json", address=address),))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def compact(algorithm: str, claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A JWT that no library makes."""
    header = {"alg": algorithm, "kid": RSA.kid, "typ": "JWT"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


def with_public_key_as_secret(signed: bytes) -> bytes:
    return hmac.digest(RSA.as_pem(private=False), signed, "sha256")


def test_a_client_made_by_others_finds_the_token_endpoint_and_reads_reports(node: SmartNode) -> None:
    found = node.get(".well-known/smart-configuration", accept="text/html")
    assert found.headers["content-type"] == "application/json"
    endpoint = found.json()["token_endpoint"]
    node.now.seconds = time.time()  # authlib has no other clock
    expiry = {"exp": int(node.now()) + 120}
    login = PrivateKeyJWT(endpoint, claims=expiry, headers={"kid": RSA.kid}, alg="RS384")
    pem, scope = RSA.as_pem(private=True).decode(), "system/DiagnosticReport.rs"
    with OAuth2Client(CLIENT, pem, token_endpoint_auth_method=login, scope=scope) as client:
        token = client.fetch_token(endpoint, grant_type="client_credentials")
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("bearer", 300, scope)
        assert client.get(f"{node.url}/DiagnosticReport").json()["total"] == 1
        assert client.get(f"{node.url}/Observation").status_code == 403


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS384", "ES384"])
def test_an_assertion_is_good_for_one_token_and_no_more(node: SmartNode, key: RSAKey) -> None:
    assertion = node.assertion(key)
    granted = node.ask(assertion)
    assert granted.status_code == 200
    assert granted.headers["cache-control"] == "no-store"
    assert newest(node) == ("110122", CLIENT, "0")
    again = node.ask(assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert "jti" in again.json()["error_description"]
    assert newest(node) == ("110122", CLIENT, "4")


WRONG: dict[str, dict[str, object]] = {
    "another audience": {"aud": "https://other.example/token"},
    "no audience": {"aud": None},
    "expired": {"exp": 1_000_000_000},
    "an expiry too far ahead": {"exp": 9_999_999_999},
    "an expiry that is no number": {"exp": "soon"},
    "no expiry": {"exp": None},
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "a jti that is no text": {"jti": 7},
    "another subject": {"sub": "somebody.else"},
    "no subject": {"sub": None},
    "an issuer nobody knows": {"iss": "nobody", "sub": "nobody"},
    "an issuer that is a list": {"iss": [CLIENT]},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_an_assertion_with_a_wrong_claim_gets_no_token(node: SmartNode, changed: dict[str, object]) -> None:
    refused = node.ask(node.assertion(**changed))  # type: ignore[arg-type]
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    event, client, outcome = newest(node)
    assert (event, outcome) == ("110122", "4")
    assert client in (CLIENT, "")


def test_an_assertion_that_no_key_of_the_client_signed_gets_no_token(node: SmartNode) -> None:
    other_kid = RSAKey.import_key(RSA.as_dict(private=True) | {"kid": "rsa-9"})
    forged = {
        "by a stranger's key": node.assertion(STRANGER),
        "with a kid that is not there": node.assertion(other_kid),
        "not at all": compact("none", node.claims(), lambda _: b""),
        "with the public key as secret": compact("HS256", node.claims(), with_public_key_as_secret),
        "by another algorithm": node.assertion(RSA, "RS256"),
        "by nothing that is a JWT": "rubbish",
        "too long": "a" * 20_000,
    }
    for how, assertion in forged.items():
        refused = node.ask(assertion)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), how
        assert newest(node)[2] == "4", how


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": "basic"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "patient/*.read openid"}, "invalid_scope"),
        ({"scope": "system/Observation.cud"}, "invalid_scope"),
        ({"scope": "system/Observation.rs?category=imaging"}, "invalid_scope"),
    ],
)
def test_a_request_for_a_token_that_is_no_such_gets_an_error_of_oauth(
    node: SmartNode, changed: dict[str, str], error: str
) -> None:
    refused = node.ask(node.assertion(), **{"scope": "system/*.rs", **changed})
    assert (refused.status_code, refused.json()["error"]) == (400, error)


def test_a_request_without_a_token_a_good_one_or_a_living_one_is_refused_and_recorded(node: SmartNode) -> None:
    token = node.token()
    assert node.get("DiagnosticReport", token).status_code == 200
    node.now.seconds += 300
    shown = {"": "", "no-such-token": "invalid_token", token: "invalid_token"}
    for wrong, error in shown.items():
        refused = node.get("DiagnosticReport?patient=p1", wrong)
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="ainode"')
        assert (f'error="{error}"' in challenge) == bool(error)
        assert OperationOutcome.model_validate_json(refused.text).issue[0].code == "login"
        assert newest(node) == ("search-type", CLIENT if wrong == token else "", "4")


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("system/DiagnosticReport.rs", "DiagnosticReport", 200),
        ("system/DiagnosticReport.read", "DiagnosticReport", 200),
        ("system/*.read", "Observation", 200),
        ("system/DiagnosticReport.rs", "Observation", 403),
        ("system/DiagnosticReport.r", "DiagnosticReport", 403),
        ("system/DiagnosticReport.s", "DiagnosticReport/1", 403),
        ("system/DiagnosticReport.r", "DiagnosticReport/1", 404),
        ("system/DiagnosticReport.r", "DiagnosticReport/1/_history/1", 404),
        ("system/DiagnosticReport.s", "DiagnosticReport/1/_history/1", 403),
        ("system/DiagnosticReport.rs", "DiagnosticReport?patient.identifier=P-4711", 200),
        ("system/DiagnosticReport.rs", "DiagnosticReport?result.code=118565006", 403),
        ("system/DiagnosticReport.rs", "Patient?_has:Observation:patient:code=118565006", 403),
        ("system/DiagnosticReport.rs", "", 403),
        ("system/DiagnosticReport.rs", "_history", 403),
        ("system/DiagnosticReport.rs", "Patient/1/$everything", 403),
        ("system/*.rs", "AuditEvent", 403),
        ("system/*.rs", "AuditEvent/1", 403),
        ("system/*.rs", "AuditEvent/\uff11", 403),
        ("system/*.rs", "Basic", 404),
        ("system/AuditEvent.rs", "AuditEvent", 200),
    ],
)
def test_a_token_goes_as_far_as_its_scopes(node: SmartNode, scope: str, path: str, status: int) -> None:
    answer = node.get(path, node.token(scope))
    assert answer.status_code == status, answer.text
    assert newest(node)[1:] == (CLIENT, "0" if status == 200 else "4")
    if status == 403:
        assert 'error="insufficient_scope", scope="system/' in answer.headers["www-authenticate"]


def test_what_is_asked_in_a_posted_search_counts_as_in_an_address(node: SmartNode) -> None:
    shown = bearer(node.token("system/DiagnosticReport.rs"))
    asked = {"result.code": "118565006", "patient": "Patient/p1"}
    refused = node.http.post(f"{node.url}/DiagnosticReport/_search", data=asked, headers=shown)
    assert refused.status_code == 403
    del asked["result.code"]
    found = node.http.post(f"{node.url}/DiagnosticReport/_search", data=asked, headers=shown)
    assert (found.status_code, found.json()["total"]) == (200, 0)
    entities = node.audit("_count=5")[0]["entity"]
    assert entities[0]["what"] == {"reference": "Patient/p1"}
    assert base64.b64decode(entities[1]["query"]) == b"DiagnosticReport?patient=Patient%2Fp1"
    too_long = node.http.post(f"{node.url}/DiagnosticReport/_search", data={"_id": "1" * 300_000}, headers=shown)
    assert too_long.status_code == 413


def test_nobody_writes_and_the_method_is_refused(node: SmartNode) -> None:
    refused = node.http.put(f"{node.url}/DiagnosticReport/1", headers=bearer(node.token()))
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_token_is_granted_for_no_more_than_the_client_may(tmp_path: Path) -> None:
    settings = node_settings(tmp_path, "system/DiagnosticReport.rs system/Observation.s")
    with smart_node(tmp_path, fhir=settings) as narrow:
        answer = narrow.ask(narrow.assertion(), "system/*.rs system/AuditEvent.rs")
        assert answer.json()["scope"] == "system/DiagnosticReport.rs system/Observation.s"
        assert narrow.ask(narrow.assertion(), "system/AuditEvent.rs").json()["error"] == "invalid_scope"


def test_a_client_that_must_come_from_elsewhere_gets_no_token(tmp_path: Path) -> None:
    with smart_node(tmp_path, fhir=node_settings(tmp_path, "system/*.rs", address="10.0.0.0/8")) as node:
        refused = node.ask(node.assertion())
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_introspection_tells_of_a_living_token_and_calls_a_dead_or_foreign_one_inactive(node: SmartNode) -> None:
    def about(token: str, shown: str) -> Any:
        headers = bearer(shown) if shown else {}
        return node.http.post(f"{node.url}/auth/introspect", data={"token": token}, headers=headers)

    token = node.token("system/DiagnosticReport.rs")
    expiry = int(node.now()) + 300
    told = about(token, token).json()
    assert told["active"] is True
    assert (told["scope"], told["client_id"], told["exp"]) == ("system/DiagnosticReport.rs", CLIENT, expiry)
    assert newest(node) == ("110122", CLIENT, "0")
    assert about("unknown", token).json() == {"active": False}
    assert about(token, "").status_code == 401
    assert newest(node) == ("110122", "", "4")
    node.now.seconds += 300
    assert about(token, node.key("system/*.rs")).json() == {"active": False}
    assert about(token, token).status_code == 401


def test_a_key_of_the_node_goes_as_far_as_its_scopes_and_a_key_for_rest_nowhere(node: SmartNode) -> None:
    key = node.key("system/Patient.rs")
    assert node.get("Patient", key).json()["total"] == 1
    assert node.http.get(f"{node.url}/Patient", headers={"x-api-key": key}).status_code == 200
    assert node.get("Observation", key).status_code == 403
    assert node.get("Patient", node.key("")).status_code == 401


def test_a_node_on_loopback_is_open_until_there_is_a_key_and_then_asks_everybody(tmp_path: Path) -> None:
    with smart_node(tmp_path, fhir=Fhir()) as node:
        assert node.get("DiagnosticReport").json()["total"] == 1
        assert node.get("AuditEvent").status_code == 401
        assert node.get("DiagnosticReport", origin="https://evil.example").status_code == 403
        assert node.get("DiagnosticReport", host="evil.example").status_code == 403
        key = node.key("system/*.rs")
        assert node.get("DiagnosticReport").status_code == 401
        assert node.get("DiagnosticReport", key).status_code == 200
        accesses = [audit_of(event) for event in node.audit("subtype=search-type&_sort=date")]
        assert accesses[:2] == [("search-type", "", "0"), ("search-type", "", "4")]


@pytest.mark.parametrize(
    ("fhir", "host", "status"),
    [
        (Fhir(), "0.0.0.0", 401),
        (Fhir(access="required"), "127.0.0.1", 401),
        (Fhir(access="open"), "0.0.0.0", 200),
    ],
)
def test_elsewhere_and_where_it_is_required_everybody_is_asked(
    tmp_path: Path, fhir: Fhir, host: str, status: int
) -> None:
    with smart_node(tmp_path, fhir=fhir, host=host) as node:
        assert node.get("DiagnosticReport").status_code == status
        assert node.get("metadata").status_code == 200


def test_the_capability_statement_says_where_tokens_come_from(node: SmartNode) -> None:
    statement = as_json(CapabilityStatement.model_validate_json(node.get("metadata").text))
    (rest,) = statement["rest"]
    assert rest["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    uris = {each["url"]: each["valueUri"] for each in rest["security"]["extension"][0]["extension"]}
    assert uris == {"token": f"{node.url}/auth/token", "introspect": f"{node.url}/auth/introspect"}
    assert "AuditEvent" in [each["type"] for each in rest["resource"]]


def test_on_postgresql_a_token_is_granted_once_an_assertion_and_the_access_is_found(tmp_path: Path) -> None:
    with PostgresServer() as server, smart_node(tmp_path, database=server.database("node")) as node:
        assertion = node.assertion()
        assert [node.ask(assertion).status_code for _ in range(2)] == [200, 401]
        token = node.token()
        assert node.get("Device?type=x", token).status_code == 200
        assert newest(node) == ("search-type", CLIENT, "0")
        node.http.post(
            f"{node.url}/Device/_search",
            content=b"type=\0\xff&_count=1",
            headers={**bearer(token), "content-type": "application/x-www-form-urlencoded"},
        )
        assert newest(node)[:2] == ("search-type", CLIENT)
        assert node.get("AuditEvent?entity=%00", node.token("system/AuditEvent.rs")).status_code == 400
        first = node.get("AuditEvent?_count=1&date=ge2026", node.token("system/AuditEvent.rs")).json()
        (following,) = [link["url"] for link in first["link"] if link["relation"] == "next"]
        behind = node.get(following.removeprefix(f"{node.url}/"), node.token("system/AuditEvent.rs")).json()
        assert int(behind["entry"][0]["resource"]["id"]) < int(first["entry"][0]["resource"]["id"])


def test_while_the_database_is_away_nobody_is_let_in_and_nobody_called_a_stranger(tmp_path: Path) -> None:
    with smart_node(tmp_path) as node:
        shown = "a-token-that-must-be-looked-up"
        with sqlite3.connect(tmp_path / "node" / "journal.sqlite") as database:
            database.execute("ALTER TABLE fhir_token RENAME TO away")
        answer = node.get("DiagnosticReport", shown)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "transient")
        for refused in (
            node.ask(node.assertion()),
            node.http.post(f"{node.url}/auth/introspect", headers=bearer(shown)),
        ):
            assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
        database.close()


def test_two_requests_with_one_assertion_at_once_get_one_token(node: SmartNode) -> None:
    assertion = node.assertion()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: node.ask(assertion).status_code, range(8)))
    assert sorted(answers) == [200] + 7 * [401]


def test_who_is_refused_again_and_again_is_told_to_wait_and_fills_no_record(tmp_path: Path) -> None:
    with smart_node(tmp_path, rate=2) as node:  # one every half a minute, after the first two
        answers = [node.get("DiagnosticReport", "wrong") for _ in range(30)]
        assert [answer.status_code for answer in answers[:2]] == [401, 401]
        late = [answer for answer in answers if answer.status_code == 429]
        assert late
        assert int(late[0].headers["retry-after"]) >= 1
        assert late[0].json()["issue"][0]["code"] == "throttled"
        asked = [node.ask("rubbish").status_code for _ in range(10)]
        assert 429 in asked
        told = [*(answer.status_code for answer in answers), *asked].count(401)
        assert len(node.audit("outcome=4&_count=500")) == told
        assert node.get("DiagnosticReport", node.token()).status_code == 200
