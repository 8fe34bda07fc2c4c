"""A package that cannot be used holds up the rules that use it, and no other; nothing of a study is forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from ainode.complete.completer import Completer
from ainode.complete.verdict import Patience
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, StoredInstance
from ainode.journal.runs import RunJournal
from ainode.journal.studies import StudyJournal
from ainode.receive.indexer import Indexer
from ainode.receive.spool import Spool
from ainode.route.plan import Planner
from ainode.route.site import site_rules, survey_rules
from ainode.settings import load_settings
from ainode_models.errors import PackageError, RulesError
from ainode_models.registry import Registry
from peers.head_study import write_head
from peers.packages import edit, light_package

RULE = """
[[rule]]
name = "{0}"
model = "{0}"
outputs = ["fhir"]
[rule.input.T1]
Modality = "MR"
"""


class Site:
    """Rules for two models, and a study that both want."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = folder / "rules.toml"
        self.rules.write_text(RULE.format("good") + RULE.format("bad"))
        (folder / "ainode.toml").write_text("")
        self.settings = load_settings(folder / "ainode.toml", {})
        self.registry = Registry(self.settings.models.folder)
        for name in ("good", "bad"):
            light_package(self.registry.folder / name, name=name)
        self.now = 1000.0
        self.engine = open_database(f"sqlite:///{folder / 'journal.sqlite'}")
        self.instances = InstanceJournal(self.engine, lambda: self.now)
        self.studies, self.runs = StudyJournal(self.engine, lambda: self.now), RunJournal(self.engine, lambda: self.now)
        self.spool = Spool(folder / "spool")
        self.completer = Completer(
            instances=self.instances,
            studies=self.studies,
            runs=self.runs,
            spool=self.spool,
            planner=Planner(self.settings, self.registry),
            archives=[],
            patience=Patience(quiet=1, interval=1),
            clock=lambda: self.now,
        )

    def receive(self) -> str:
        """UID of a study that has come."""
        study_uid, files = write_head(self.folder / "study", 31)
        for path in files:
            uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            kept = self.spool.write(uid, [path.read_bytes()])
            self.instances.stored([StoredInstance(uid, kept.sha256, kept.path, kept.bytes, "C-STORE SCU")])
        Indexer(self.instances, self.spool).step()
        self.now += 60
        return study_uid

    def look(self) -> None:
        """Let the completer look at what is open, much later."""
        self.now += 600
        self.completer.step()

    def models_run(self, study_uid: str) -> list[str]:
        """Names of the models that have a run on the study."""
        return sorted(run.model for run in self.runs.of_study(study_uid))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.engine.dispose()


def test_a_study_gets_the_runs_that_can_be_made_and_waits_for_the_others_until_they_can(site: Site) -> None:
    edit(site.registry.folder / "bad", "schema = 1", "schema = 7")
    study_uid = site.receive()
    site.look()
    assert site.models_run(study_uid) == ["good"]
    (row,) = site.studies.open()
    assert row.state == "waiting"
    assert row.reason.startswith("rule 'bad' is held up: bad: no such model package")
    assert "schema: must be 1" in row.reason
    site.look()
    assert site.models_run(study_uid) == ["good"]
    edit(site.registry.folder / "bad", "schema = 7", "schema = 1")
    site.look()
    assert site.models_run(study_uid) == ["bad", "good"]
    assert site.studies.open() == []


def test_a_study_that_only_a_held_up_rule_wants_waits_with_the_reason(site: Site) -> None:
    site.rules.write_text(RULE.format("bad"))
    site.registry.retire("bad@1.0.0")
    study_uid = site.receive()
    site.look()
    (row,) = site.studies.open()
    assert row.state == "waiting"
    assert row.reason.startswith("rule 'bad' is held up: bad: every version is retired; activate one")
    site.registry.activate("bad@1.0.0")
    site.look()
    assert site.models_run(study_uid) == ["bad"]


def test_a_faulty_package_that_no_rule_uses_holds_up_nothing(site: Site) -> None:
    light_package(site.registry.folder / "other", name="other")
    edit(site.registry.folder / "other", "schema = 1", "schema = 7")
    study_uid = site.receive()
    site.look()
    assert site.models_run(study_uid) == ["bad", "good"]
    assert site.studies.open() == []


def test_a_rule_that_pins_a_retired_version_is_held_up_and_the_check_says_so(site: Site) -> None:
    site.rules.write_text(RULE.format("good").replace('model = "good"', 'model = "good@1.0.0"') + RULE.format("bad"))
    light_package(site.registry.folder / "good-2", name="good", version="2.0.0")
    site.registry.retire("good@1.0.0")
    found = survey_rules(site.settings, site.registry)
    assert list(found.held_up) == ["good"]
    assert list(found.packages) == ["bad"]
    assert [rule.name for rule in found.rules] == ["good", "bad"]
    with pytest.raises(PackageError, match=r"rule 'good' is held up: good@1\.0\.0 is retired"):
        site_rules(site.settings, site.registry)


def test_a_model_that_nobody_installed_is_a_mistake_of_the_rules_file(site: Site) -> None:
    site.rules.write_text(RULE.format("good") + RULE.format("god"))
    with pytest.raises(RulesError, match=r"rules\.toml:\d+: .*no model 'god' is installed"):
        survey_rules(site.settings, site.registry)


def test_rules_are_held_against_the_version_that_they_follow(site: Site) -> None:
    light_package(site.registry.folder / "good-2", name="good", version="2.0.0", inputs=("T1", "T2"))
    site.registry.activate("good@1.0.0")
    assert survey_rules(site.settings, site.registry).packages["good"].manifest.version == "1.0.0"
    site.registry.activate("good@2.0.0")
    found = survey_rules(site.settings, site.registry)
    assert list(found.packages) == ["bad"]
    assert str(found.held_up["good"]) == (
        "good@2.0.0, which it follows, has the inputs T1, T2; the rule fits good@1.0.0: "
        "change the rule, or activate that version"
    )
    edit(light_package(site.registry.folder / "good-3", name="good", version="3.0.0"), '"MR"', '"CT"')
    site.registry.activate("good@3.0.0")
    assert str(survey_rules(site.settings, site.registry).held_up["good"]).startswith(
        "good@3.0.0, which it follows, does not take what it gives: input.T1.Modality: no series of Modality CT, "
    )
    site.registry.retire("good@1.0.0")
    site.rules.write_text(RULE.format("good").replace("input.T1", "input.T3"))
    with pytest.raises(RulesError, match=r"input\.T3: model 'good' has no such input"):
        survey_rules(site.settings, site.registry)
