"""Keys and limits of the REST interface."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from ainode.api.keys import ApiKeys
from ainode.api.rate_limit import RateLimit
from ainode.cli import app
from ainode.run.workers import ModelWorkers
from ainode.settings import Api
from ainode_models.errors import ConfigError
from peers.api_node import ApiNode, api_node

IDLE = ModelWorkers(device="cpu", timeout=1)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ApiNode]:
    with api_node(tmp_path / "node", IDLE) as node:
        yield node


def ainode(node: ApiNode, tmp_path: Path, *arguments: str) -> str:
    """Output of a command that succeeds."""
    settings = tmp_path / "ainode.toml"
    settings.write_text(f'[node]\nfolder = "{node.folder}"\n')
    result = CliRunner().invoke(app, ["keys", *arguments, "--settings", str(settings)])
    assert result.exit_code == 0, result.output
    return result.stdout


def new_key(node: ApiNode, tmp_path: Path, name: str) -> str:
    """A key, picked from the output, into which the server's thread may write a line of log."""
    (key,) = [word for word in ainode(node, tmp_path, "add", name).split() if word.startswith("ain_")]
    return key


def status(node: ApiNode, path: str = "/models", **headers: str) -> int:
    return node.http.get(
        node.url + path, headers={key.replace("_", "-"): text for key, text in headers.items()}
    ).status_code


def test_a_key_for_fhir_opens_no_rest_and_its_scopes_must_be_understood(node: ApiNode, tmp_path: Path) -> None:
    (key,) = [word for word in ainode(node, tmp_path, "add", "ehr", "--fhir", "system/*.rs").split() if "ain_" in word]
    assert status(node) == status(node, x_api_key=key) == 401
    assert "ehr  system/*.rs" in ainode(node, tmp_path, "list")
    found = ApiKeys(node.folder / "api-keys").find(key)
    assert found is not None
    assert (found.name, found.fhir) == ("ehr", "system/*.rs")
    arguments = ["keys", "add", "other", "--fhir", "patient/*.read", "--settings", str(tmp_path / "ainode.toml")]
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, ConfigError)
    assert "patient/*.read" in str(refused.exception)


def test_a_key_is_asked_for_as_soon_as_there_is_one_and_counts_no_more_when_revoked(
    node: ApiNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(node) == 200
    key = new_key(node, tmp_path, "scanner-7")
    assert len(key) >= 47
    assert status(node) == status(node, x_api_key="wrong") == status(node, authorization=f"Basic {key}") == 401
    assert status(node, x_api_key=key) == status(node, authorization=f"Bearer {key}") == 200
    assert status(node, "/health") == status(node, "/openapi.json") == 200
    post = node.http.post(f"{node.url}/predict/t1-head-demo", content=b"x")
    assert (post.status_code, post.headers["www-authenticate"]) == (401, 'Bearer realm="ainode"')
    assert "scanner-7" in ainode(node, tmp_path, "list")
    other = new_key(node, tmp_path, "other")
    assert "revoked" in ainode(node, tmp_path, "revoke", "scanner-7")
    assert (status(node, x_api_key=key), status(node, x_api_key=other)) == (401, 200)
    said = capsys.readouterr()
    assert key not in said.out + said.err
    held = [path.read_text() for path in (node.folder / "api-keys").iterdir()]
    assert all(secret not in text for text in held for secret in (key, other))
    assert [path.stat().st_mode & 0o777 for path in (node.folder / "api-keys").iterdir()] == [0o600]


def test_names_of_keys_are_checked_and_not_given_twice(tmp_path: Path, node: ApiNode) -> None:
    settings = tmp_path / "ainode.toml"
    ainode(node, tmp_path, "add", "one")
    for arguments in (("add", "one"), ("add", "../two"), ("revoke", "two")):
        result = CliRunner().invoke(app, ["keys", *arguments, "--settings", str(settings)])
        assert (result.exit_code, result.stdout) == (1, ""), arguments


@pytest.mark.parametrize(
    ("limits", "host"), [(Api(enabled=True), "0.0.0.0"), (Api(enabled=True, keys="required"), "127.0.0.1")]
)
def test_without_any_key_nobody_gets_in_from_elsewhere_or_where_keys_are_required(
    tmp_path: Path, limits: Api, host: str
) -> None:
    with api_node(tmp_path, IDLE, limits=limits, host=host) as node:
        assert (status(node), status(node, x_api_key=""), status(node, "/health")) == (401, 401, 200)
        key = ApiKeys(tmp_path / "api-keys")
        assert key.all() == []


def test_a_page_of_another_site_is_no_caller_on_this_machine(node: ApiNode, tmp_path: Path) -> None:
    own = node.url.removesuffix("/api/v1")
    assert status(node, origin=own) == 200
    assert status(node, origin="https://elsewhere.example") == status(node, origin="null") == 403
    assert status(node, host="rebound.example") == 403
    key = new_key(node, tmp_path, "page")
    assert status(node, origin="https://elsewhere.example", x_api_key=key) == 200


def test_a_damaged_key_opens_nothing(tmp_path: Path, node: ApiNode) -> None:
    (node.folder / "api-keys").mkdir()
    (node.folder / "api-keys" / "broken.json").write_text('{"sha256": ')
    assert status(node) == status(node, x_api_key="") == 401


def test_a_caller_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with api_node(tmp_path, IDLE, limits=Api(enabled=True, rate=5)) as node:
        assert [status(node) for _ in range(5)] == [200] * 5
        answer = node.http.get(f"{node.url}/models")
        assert (answer.status_code, answer.json()["status"]) == (429, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 12
        assert status(node, "/health") == 200


def test_a_bucket_fills_steadily_and_callers_do_not_share_it() -> None:
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    assert [limit.take("a") for _ in range(61)] == [None] * 60 + [1]
    assert limit.take("b") is None
    now[0] += 2
    assert [limit.take("a") for _ in range(3)] == [None, None, 1]
    now[0] += 3600
    assert [limit.take("a") for _ in range(61)].count(None) == 60
    assert RateLimit(0, lambda: 0.0).take("a") is None


def test_thirty_callers_at_once_get_no_more_than_the_limit(tmp_path: Path) -> None:
    with api_node(tmp_path, IDLE, limits=Api(enabled=True, rate=10)) as node:
        codes: list[int] = []

        def ask() -> None:
            with httpx.Client(trust_env=False, timeout=60) as client:
                codes.append(client.get(f"{node.url}/models").status_code)

        threads = [threading.Thread(target=ask) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 10 <= codes.count(200) < 30
    assert codes.count(200) + codes.count(429) == 30
