"""The container files, read as text and YAML: no container engine runs where the tests do."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ainode.route.model_fit import Intake
from ainode.route.rules import load_rules
from ainode.settings import Secret, Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
FILES = ("docker-compose.yml", "docker-compose.postgres.yml")


def _compose(name: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def _environment(*names: str) -> dict[str, str]:
    """What the node's container gets, with every required variable of the user set to ``s3cret``."""
    image = dict(re.findall(r"\b(AINODE_\w+)=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    given = [_compose(name)["services"]["node"]["environment"] for name in names]
    merged = image | {key: value for environment in given for key, value in environment.items()}
    return {key: re.sub(r"\$\{\w+:\?[^}]*\}", "s3cret", value) for key, value in merged.items()}


def _settings(*names: str) -> Settings:
    return load_settings(ROOT / "docker" / "ainode.toml", _environment(*names))


@pytest.mark.parametrize("name", FILES)
def test_a_port_is_published_on_loopback_only(name: str) -> None:
    published = [port for service in _compose(name)["services"].values() for port in service.get("ports", [])]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", FILES)
def test_a_password_comes_from_the_user_and_has_no_default(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    values = re.findall(r"^\s+\w*PASSWORD: (.*)$", text, re.MULTILINE)
    assert values
    assert [value for value in values if not re.match(r"\$\{\w+:\?", value)] == []
    assert re.findall(r"\$\{\w+(?!:\?)\W", text) == []


def test_the_node_takes_its_settings_file_and_every_variable_that_it_is_given() -> None:
    settings = _settings("docker-compose.yml")
    assert settings.node.folder == Path("/var/lib/ainode")
    assert settings.archive[0].password == Secret("s3cret")
    volumes = _compose("docker-compose.yml")["services"]["node"]["volumes"]
    mounted = {target: source for source, target, *_ in (volume.split(":") for volume in volumes)}
    assert mounted["/var/lib/ainode"] == "node"
    assert Path(mounted["/etc/ainode/ainode.toml"]) == Path("docker/ainode.toml")


def test_the_node_with_postgresql_keeps_journal_and_workflows_there() -> None:
    database = _settings(*FILES).database
    url = "postgresql+psycopg://ainode:s3cret@postgres/ainode"
    assert database.url.reveal() == database.workflow_url.reveal() == url


def test_only_the_network_of_the_containers_may_send() -> None:
    (pool,) = _compose("docker-compose.yml")["networks"]["default"]["ipam"]["config"]
    assert [caller.address for caller in _settings("docker-compose.yml").dicom.caller] == [pool["subnet"]]


def test_published_ports_are_those_that_the_programs_listen_on() -> None:
    settings = _settings("docker-compose.yml")
    services = _compose("docker-compose.yml")["services"]
    node = {int(port.rsplit(":", 1)[1]) for port in services["node"]["ports"]}
    orthanc = {int(port.rsplit(":", 1)[1]) for port in services["orthanc"]["ports"]}
    configured = (ROOT / "orthanc" / "orthanc.json").read_text(encoding="utf-8")
    assert node == {settings.dicom.port, settings.web.port}
    assert orthanc == {int(port) for port in re.findall(r'"(?:HttpPort|DicomPort)": (\d+)', configured)}


def test_the_rules_fit_the_models_and_the_destinations() -> None:
    destinations = {destination.name: destination.kind for destination in _settings("docker-compose.yml").destination}
    manifests = [tomllib.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "models").glob("*/model.toml")]
    models = {
        model["name"]: Intake({item["name"]: item["modality"] for item in model["input"]}, "class" in model)
        for model in manifests
    }
    rules = load_rules(ROOT / "docker" / "rules.toml", destinations=dict(destinations), models=models)
    # the image has no TensorFlow unless it is built with it, and without rules of its own a model takes nothing
    assert {rule.model for rule in rules} == {model["name"] for model in manifests if model["runtime"] == "nnunet"}
    assert {destination for rule in rules for destination in rule.destinations} == set(destinations)


@pytest.mark.parametrize("name", ["Dockerfile", "docker/orthanc.Dockerfile"])
def test_an_image_runs_as_its_own_user_and_tells_its_health(name: str) -> None:
    last_stage = (ROOT / name).read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    (user,) = re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE)
    assert user not in {"root", "0"}
    assert re.search(r"^HEALTHCHECK ", last_stage, re.MULTILINE)
