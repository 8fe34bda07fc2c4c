"""The command line as people meet it: help for everything, one sentence for each error, and commands that do it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ainode.cli import app
from ainode.journal.database import open_database
from ainode.journal.deliveries import DeliveryJournal
from ainode.journal.instances import InstanceJournal, Place, Refusal, StoredInstance
from ainode.journal.runs import ResultRow, RunJournal, RunSpec
from ainode.journal.studies import StudyJournal
from ainode_models.errors import ConfigError, PackageError
from peers.packages import copy_demo, edit, light_package
from peers.shared_data import ROOT


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group, after the words that call it."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


ALL = list(commands(typer.main.get_command(app)))


def call(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program itself, in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "ainode", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_are_those_that_people_are_told_of() -> None:
    assert {" ".join(words) for words, command in ALL if not getattr(command, "commands", None)} == {
        "serve",
        "demo",
        "doctor",
        "runs retry",
        "runs review",
        "runs reconsider",
        "deliveries replay",
        "rules check",
        "rules test",
        "models list",
        "models check",
        "models add",
        "models activate",
        "models retire",
        "models import",
        "models profile",
        "keys add",
        "keys list",
        "keys revoke",
        "train cxr",
        "evaluate",
        "bench nnunet",
        "bench keras",
        "bench cxr",
        "bench study",
        "sr",
        "config show",
        "config jwks",
        "config reference",
    }


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda part: " ".join(part) if isinstance(part, tuple) else "")
def test_every_command_and_option_has_a_help_text(words: tuple[str, ...], command: Any) -> None:
    for flag in ("--help", "-h"):
        said = CliRunner().invoke(app, [*words, flag], env={"COLUMNS": "200", "TERM": "dumb"})
        assert said.exit_code == 0, said.output
        assert f"Usage: ainode {' '.join(words)}".strip() in said.output.replace("root", "ainode")
    help_text = (command.help or "").strip()
    assert help_text.endswith("."), help_text
    assert help_text.splitlines()[0] in said.output
    for parameter in command.params:
        text = getattr(parameter, "help", None)
        assert text, f"{words} {parameter.name}"
        assert text[0].isupper()


def test_the_program_lists_its_commands(tmp_path: Path) -> None:
    done = call("--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for words, command in ALL:
        if len(words) == 1:
            assert words[0] in done.stdout
            assert (command.help or "").split(";")[0].split(",")[0][:30] in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[noed]\n", "ainode.toml:1"),
        ('[node]\nfolder = "ainode.toml/state"\n', "folder .*ainode.toml/state cannot be made: Not a directory"),
        (
            '[database]\nurl = "postgresql+psycopg://u:s3cret@127.0.0.1:1/x?password=s3cret"\n',
            r"database postgresql\+psycopg://u:\*\*\*@127.0.0.1:1/x cannot be used: .*refused",
        ),
        ('[database]\nurl = "sqlite:///ainode.toml"\n', "cannot be used: file is not a database"),
    ],
)
def test_an_error_is_one_sentence_without_a_traceback(tmp_path: Path, settings: str, words: str) -> None:
    (tmp_path / "ainode.toml").write_text(settings)
    done = call("runs", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(f"^ainode: .*{words}", done.stderr)
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


def test_a_traceback_is_shown_to_those_who_ask_for_it(tmp_path: Path) -> None:
    done = call("runs", "--settings", "nowhere.toml", folder=tmp_path, AINODE_TRACEBACK="1")
    assert done.returncode != 0
    assert done.stderr.startswith("Traceback")
    assert "SettingsError: nowhere.toml: cannot be read" in done.stderr


def test_settings_given_before_the_command_or_after_it_are_those_that_count(tmp_path: Path) -> None:
    """Each of three places names another file; a mix-up would act on another node's journal."""
    runner = CliRunner()
    where = {"AINODE_SETTINGS": "environment.toml"}
    before, after = ["--settings", "before.toml"], ["--settings", "after.toml"]
    for words, named in (
        (["runs", "retry", "1"], "environment"),
        (["runs", *before, "retry", "1"], "before"),
        (["deliveries", *before, "replay", "1"], "before"),
        (["runs", "retry", *after, "1"], "after"),
        (["runs", *before, "retry", *after, "1"], "after"),
        (["runs", *before], "before"),
        (["models", "list", *after], "after"),
    ):
        error = runner.invoke(app, words, env=where).exception
        assert isinstance(error, ConfigError), error
        assert str(error).startswith(f"{named}.toml: cannot be read")


class Node:
    """A settings file, a small journal, and the commands on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "ainode.toml"
        self.settings.write_text(f'[node]\nfolder = "state"\n[models]\nfolder = "{ROOT / "models"}"\n')
        (folder / "state").mkdir()
        self.engine = open_database(f"sqlite:///{folder / 'state' / 'journal.sqlite'}")
        self.runs = RunJournal(self.engine, time.time)
        self.deliveries = DeliveryJournal(self.engine, time.time)
        self.studies = StudyJournal(self.engine, time.time)
        self.instances = InstanceJournal(self.engine, time.time)

    def ainode(self, *words: str) -> str:
        """Output of a command that ends well."""
        said = CliRunner().invoke(app, list(words), env={"AINODE_SETTINGS": str(self.settings), "COLUMNS": "200"})
        if said.exception and not isinstance(said.exception, SystemExit):
            raise said.exception
        assert said.exit_code == 0, said.output
        return said.output

    def run(self, study_uid: str, *, outcome: str, reason: str | None = None) -> RunSpec:
        """A run that ended, with a result for two destinations."""
        spec = RunSpec(study_uid, "r", "m", "1", "ab", {"T1": (f"{study_uid}.1",)}, ("sr",), ("pacs", "ehr"), 5)
        self.runs.create(spec)
        objects = [ResultRow(spec.run_id, "SR", "sr.dcm", "1.2", f"{study_uid}.2", "1.3")]
        self.runs.finished(spec.run_id, outcome=outcome, reason=reason, objects=objects)
        return spec


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.engine.dispose()


def test_runs_tells_what_ran_what_waits_and_what_cannot_be_used(node: Node) -> None:
    done, failed = node.run("1.2.1", outcome="findings"), node.run("1.2.2", outcome="failed", reason="missing slices")
    node.instances.stored([StoredInstance(f"1.2.3.{n}", f"{n}", f"{n}.dcm", 1, "C-STORE MR1") for n in (1, 2)])
    usable, broken = node.instances.to_index()
    node.instances.settle([Place(usable.id, "1.2.3", "1.2.3.4", "1.2")], [Refusal(broken.id, "it is cut short")])
    node.studies.settle(node.studies.due()[0], "unrouted", "no rule wants it")
    node.studies.touched("orthanc", ("1.2.9",), "1")
    node.studies.fetch_problem("orthanc", "1.2.9", "did not answer")
    said = node.ainode("runs")
    lines = [line.strip() for line in said.splitlines()]
    assert "runs: 2" in lines
    assert said.index(failed.run_id) < said.index(done.run_id)
    assert "reason: missing slices" in lines
    assert any(line.endswith("m@1  finished, findings") for line in lines)
    assert any(line.endswith("m@1  failed") for line in lines)
    assert any(line.endswith("unrouted: no rule wants it") for line in lines)
    assert "not fetched from orthanc: did not answer" in lines
    assert lines[-4:][0].endswith("it is cut short")
    assert lines[-3:-1] == ["instance 1.2.3.2", "C-STORE MR1"]
    assert lines[-1] == "instances that differ under one SOP Instance UID: 0"
    assert done.run_id not in node.ainode("runs", "--limit", "1")


def test_a_failed_run_is_run_again_once_by_the_first_letters_of_its_id(node: Node) -> None:
    spec = node.run("1.2.1", outcome="failed", reason="the model failed")
    said = node.ainode("runs", "retry", spec.run_id[:8])
    again, before = node.runs.of_study("1.2.1")
    assert said == f"queued run {again.run_id}\n"
    assert (again.state, again.spec.retry, again.supersedes) == ("queued", 1, spec.run_id)
    assert before.superseded_by == again.run_id
    with pytest.raises(ConfigError, match=f"was retried already, see run {again.run_id}"):
        node.ainode("runs", "retry", spec.run_id)
    with pytest.raises(ConfigError, match="0 failed runs begin with 'zz'"):
        node.ainode("runs", "retry", "zz")
    node.run("1.2.2", outcome="failed")
    with pytest.raises(ConfigError, match="2 failed runs begin with ''"):
        node.ainode("runs", "retry", "")


def test_a_study_is_looked_at_again_on_request(node: Node) -> None:
    node.instances.stored([StoredInstance("1.1", "1", "1.dcm", 1, "C-STORE MR1")])
    row = node.instances.to_index()[0]
    node.instances.settle([Place(row.id, "1.2.3", "1.2.3.4", "1.2")], [])
    node.studies.settle(node.studies.due()[0], "unrouted", "no rule wants it")
    assert node.studies.due() == []
    assert node.ainode("runs", "reconsider", "1.2.3") == "study 1.2.3 is looked at again\n"
    assert [study.study_uid for study in node.studies.due()] == ["1.2.3"]
    with pytest.raises(ConfigError, match=r"holds no study 9\.9"):
        node.ainode("runs", "reconsider", "9.9")


def test_deliveries_are_listed_with_their_reason_and_replayed_by_number(node: Node) -> None:
    spec = node.run("1.2.1", outcome="findings")
    pacs, ehr = node.deliveries.of_run(spec.run_id)
    node.deliveries.delivered(pacs)
    node.deliveries.dead(ehr, "ehr answered 422: Observation.code is not known here")
    said = node.ainode("deliveries")
    listed = {line.split()[0]: line.split(maxsplit=5) for line in said.splitlines()[2:]}
    assert listed[str(pacs.id)][1:4] == [spec.run_id, "pacs", "delivered"]
    assert listed[str(ehr.id)][1:4] == [spec.run_id, "ehr", "dead"]
    assert "ehr answered 422: Observation.code is not known here" in said
    assert node.ainode("deliveries", "replay", str(ehr.id)) == f"delivery {ehr.id} is pending again\n"
    assert [row.id for row in node.deliveries.due("ehr")] == [ehr.id]
    for number in (str(ehr.id), "999"):
        with pytest.raises(ConfigError, match=f"no delivery {number} that can be sent again"):
            node.ainode("deliveries", "replay", number)


def test_models_are_listed_and_a_faulty_one_is_named(node: Node) -> None:
    models = node.folder / "models"
    shutil.copytree(ROOT / "models" / "t1-head-demo", models / "good")
    shutil.copytree(ROOT / "models" / "t1-head-demo", models / "bad", ignore=lambda *_: ["nnunet"])
    (models / "unreadable").mkdir()
    (models / "unreadable" / "model.toml").write_text("schema = 1\n")
    node.settings.write_text(f'[models]\nfolder = "{models}"\n')
    assert "t1-head-demo" in node.ainode("models", "list")
    said = CliRunner().invoke(app, ["models", "check"], env={"AINODE_SETTINGS": str(node.settings)})
    assert said.exit_code == 2
    assert "good: t1-head-demo@1.0.0 is sound (loaded in " in said.stdout
    assert "s: Dice Head 1.0000)" in said.stdout
    assert re.search(r"bad: .*(checkpoint_final\.pth|plans\.json|dataset\.json).*cannot be read", said.stderr)
    assert re.search(r"unreadable: .*model\.toml", said.stderr)
    shutil.rmtree(models)
    with pytest.raises(ConfigError, match="holds no model package"):
        node.ainode("models", "check")


def test_versions_are_added_activated_and_retired_and_the_list_shows_it(node: Node) -> None:
    models, rules = node.folder / "models", node.folder / "rules.toml"
    node.settings.write_text(f'[models]\nfolder = "{models}"\ndevice = "cpu"\n')
    light_package(models / "light-1.0.0", name="light")
    light_package(models / "light-1.1.0", name="light", version="1.1.0", inputs=("T1", "T2"))
    assert node.ainode("models", "activate", "light@1.0.0") == "light@1.0.0 is active\n"
    rule = '[[rule]]\nname = "r"\nmodel = "light"\noutputs = ["fhir"]\n[rule.input.T1]\nModality = "MR"\n'
    rules.write_text(rule)
    assert "rule 'r' is held up: light@1.1.0, which it follows, has the inputs T1, T2" in node.ainode(
        "models", "activate", "light@1.1.0"
    )
    assert node.ainode("models", "retire", "light@1.0.0") == "light@1.0.0 is retired\n"
    source = copy_demo("t1-head-demo", node.folder / "source", version="2.0.0")
    said = node.ainode("models", "add", str(source))
    assert "source: t1-head-demo@2.0.0 is sound (loaded in " in said
    assert "t1-head-demo@2.0.0 added\nrules for 't1-head-demo' without a version follow t1-head-demo@2.0.0\n" in said
    lines = [line.split()[:4] for line in node.ainode("models", "list").splitlines()[2:]]
    assert lines == [
        ["light", "1.0.0", "retired", "segment"],
        ["light", "1.1.0", "active", "segment"],
        ["t1-head-demo", "2.0.0", "active", "segment"],
    ]
    edit(source, 'limits = "', 'limits = "Other. ')
    with pytest.raises(PackageError, match=r"t1-head-demo@2\.0\.0 is in .* already, with other content"):
        node.ainode("models", "add", str(source))
