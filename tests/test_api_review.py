"""Reviews by REST and by the command line: by those whom a key names, as described, and written down once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ainode.api.keys import ApiKeys
from ainode.cli import app
from ainode.cli.journal import journal
from ainode.encode.kept_findings import keep_findings
from ainode.journal.runs import RunSpec
from ainode.places import Places
from ainode.run.workers import ModelWorkers
from ainode.settings import Node, Settings
from ainode_models.errors import AinodeError, ConfigError
from peers.api_node import ApiNode, api_node
from peers.fhir_samples import POSITIVE
from peers.json_schema import faults

SYSTEM = "urn:oid:1.2.276.99.7"


@dataclass
class Desk:
    """A node with one finished run, whose result is that of ``POSITIVE``."""

    node: ApiNode
    run_id: str
    keys: dict[str, str]

    def post(self, key: str = "radiologist", *, run: str = "", **body: Any) -> httpx.Response:
        """The answer to a review, held against the description."""
        headers = {"x-api-key": self.keys[key]} if key else {}
        answer = self.node.http.post(f"{self.node.url}/runs/{run or self.run_id}/review", json=body, headers=headers)
        self.check("post", answer)
        return answer

    def get(self, run: str = "") -> httpx.Response:
        """The reviews of a run."""
        url = f"{self.node.url}/runs/{run or self.run_id}/review"
        answer = self.node.http.get(url, headers={"x-api-key": self.keys["scanner"]})
        self.check("get", answer)
        return answer

    def check(self, method: str, answer: httpx.Response) -> None:
        """Fail unless the answer is one that is described."""
        document = self.node.http.get(f"{self.node.url}/openapi.json").json()
        replies = document["paths"]["/runs/{run}/review"][method]["responses"]
        ((_, media),) = replies[str(answer.status_code)]["content"].items()
        assert list(faults(answer.json(), media["schema"], document)) == []

    def command(self, *arguments: str) -> str:
        """Output of an ``ainode runs`` command; raises what it raises."""
        settings = self.node.folder / "ainode.toml"
        settings.write_text(f'[node]\nfolder = "{self.node.folder}"\n')
        result = CliRunner().invoke(app, ["runs", *arguments, "--settings", str(settings)])
        if result.exception:
            raise result.exception
        return result.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with api_node(folder, ModelWorkers(device="cpu", timeout=1)) as node:
        settings = Settings(node=Node(folder=folder))
        spec = RunSpec("1.2.3", "head", "m", "1.0.0", "ab", {"T1": ("1",)}, ("fhir",), (), 5)
        with journal(settings) as book:
            assert book.runs.create(spec)
            book.runs.finished(spec.run_id, outcome="findings", reason=None, objects=())
        results = Places.of(settings).results / spec.run_id
        results.mkdir(parents=True)
        keep_findings(POSITIVE, results)
        keys, now = ApiKeys(folder / "api-keys"), datetime.now(UTC)
        made = {
            "scanner": keys.add("scanner", now),
            "radiologist": keys.add("radiologist", now, reviewer=f"{SYSTEM}|R-12", reviewer_name="Dr A"),
            "ris": keys.add("ris", now, reviewer=f"{SYSTEM}|*"),
            "ehr": keys.add("ehr", now, "system/*.rs"),
        }
        yield Desk(node, spec.run_id, made)


def test_a_review_is_written_down_in_the_name_of_the_human_whose_key_it_is(desk: Desk) -> None:
    before = len(desk.get().json()["reviews"])
    answer = desk.post(verdict="edited", struck=[{"number": 1, "reason": "motion"}], comment="The rest is right")
    assert answer.status_code == 201
    told = answer.json()
    assert told["reviewer"] == {"system": SYSTEM, "value": "R-12", "name": "Dr A"}
    assert (told["via"], told["state"], told["number"]) == ("radiologist", "pending", before + 1)
    listed = desk.get().json()
    assert listed["reviews"][-1] == told
    assert listed["findings"] == [{"number": 1, "label": "Oedema <T2 & FLAIR>"}, {"number": 2, "label": "Necrosis"}]


def test_a_program_that_speaks_for_all_reviewers_must_name_one_of_its_own_system(desk: Desk) -> None:
    named = {"system": SYSTEM, "value": "R-77", "name": "Dr B"}
    assert desk.post("ris", verdict="accepted", reviewer=named).json()["reviewer"] == named
    assert desk.post("ris", verdict="accepted").status_code == 422
    assert desk.post("ris", verdict="accepted", reviewer=named | {"value": "*"}).status_code == 422
    assert desk.post("ris", verdict="accepted", reviewer=named | {"system": "urn:oid:1.2"}).status_code == 403
    assert desk.post("radiologist", verdict="accepted", reviewer=named).status_code == 403


@pytest.mark.parametrize(
    ("key", "status"), [("", 401), ("ehr", 401), ("scanner", 403)], ids=["no key", "a key for FHIR", "not a reviewer's"]
)
def test_nobody_else_reviews(desk: Desk, key: str, status: int) -> None:
    before = desk.get().json()["reviews"]
    assert desk.post(key, verdict="accepted").status_code == status
    assert desk.get().json()["reviews"] == before


def test_a_node_that_asks_nobody_else_for_a_key_still_asks_reviewers(tmp_path: Path) -> None:
    with api_node(tmp_path, ModelWorkers(device="cpu", timeout=1)) as node:
        assert node.http.get(f"{node.url}/models").status_code == 200
        answer = node.http.post(f"{node.url}/runs/x/review", json={"verdict": "accepted"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="ainode"')


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"verdict": "approved"}, 400),
        ({"verdict": "accepted", "final": True}, 400),
        ({"verdict": "rejected", "reason": "two\nlines"}, 400),
        ({"verdict": "rejected"}, 422),
        ({"verdict": "edited"}, 422),
        ({"verdict": "edited", "struck": [{"number": 9, "reason": "no such finding"}]}, 422),
        ({"verdict": "accepted", "comment": "x" * 2**20}, 413),
    ],
)
def test_what_is_no_review_is_refused(desk: Desk, body: dict[str, Any], status: int) -> None:
    before = desk.get().json()["reviews"]
    assert desk.post(**body).status_code == status
    assert desk.get().json()["reviews"] == before


def test_only_json_and_only_runs_of_this_node(desk: Desk) -> None:
    url, key = f"{desk.node.url}/runs/{desk.run_id}/review", {"x-api-key": desk.keys["radiologist"]}
    assert desk.node.http.post(url, data={"verdict": "accepted"}, headers=key).status_code == 415
    assert desk.get(run="0" * 36).status_code == 404
    assert desk.get(run="..").status_code == 404
    assert desk.post(run="0" * 36, verdict="accepted").status_code == 404


def test_the_command_line_writes_reviews_down_and_lists_them(desk: Desk) -> None:
    who = ["--reviewer", f"{SYSTEM}|R-12", "--name", "Dr A"]
    said = desk.command("review", desk.run_id[:8], "edited", *who, "--strike", "2=an artefact = motion")
    assert desk.run_id in said
    last = desk.get().json()["reviews"][-1]
    assert (last["via"], last["struck"]) == ("command line", [{"number": 2, "reason": "an artefact = motion"}])
    assert "review: edited by Dr A (R-12) on" in desk.command()
    for wrong in (
        ["review", "nothing", "accepted", *who],
        ["review", desk.run_id, "accepted", "--reviewer", "R-12"],
        ["review", desk.run_id, "edited", *who, "--strike", "the first"],
        ["review", desk.run_id, "rejected", *who],
        ["review", desk.run_id, "accepted", *who, "--comment", "two\nlines"],
    ):
        with pytest.raises(AinodeError):
            desk.command(*wrong)
    assert desk.get().json()["reviews"][-1] == last


@pytest.mark.parametrize("reviewer", ["R-12", "|R-12", "a b|c", "x|", "a|b|c"])
def test_a_key_of_a_reviewer_names_system_and_value(tmp_path: Path, reviewer: str) -> None:
    with pytest.raises(ConfigError, match="SYSTEM"):
        ApiKeys(tmp_path).add("name", datetime.now(UTC), reviewer=reviewer)
    with pytest.raises(ConfigError, match="SYSTEM"):
        ApiKeys(tmp_path).add("name", datetime.now(UTC), "system/*.rs", reviewer="a|b")
