"""``ainode rules``: the rules of a site against its settings and models, and real studies explained."""

import shutil
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from ainode.cli.rules import app
from ainode.study import read_study_folder
from ainode_models.errors import InputError, PackageError, RulesError
from peers.packages import edit, light_package
from peers.shared_data import shared_data

RULES = """
[[rule]]
name = "venous abdomen"
model = "body"
outputs = ["fhir"]
[rule.input.T1]
Modality = "CT"
PatientAge = { min = 1 }
SeriesDescription = { regex = "(?i)90 sec" }
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with settings, rules, and the package of a model that takes CT."""
    edit(light_package(tmp_path / "installed" / "body", name="body"), 'modality = "MR"', 'modality = "CT"')
    (tmp_path / "ainode.toml").write_text("[models]\nfolder = 'installed'\n")
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def test_check_says_how_many_rules_are_fine(site: Path) -> None:
    done = CliRunner().invoke(app, ["check", "--settings", str(site / "ainode.toml")])
    assert (done.exit_code, done.output) == (0, f"{site}/rules.toml: 1 rule is fine\n")


def test_check_refuses_what_is_wrong_by_file_and_line(site: Path) -> None:
    (site / "rules.toml").write_text(RULES.replace("Modality", "Modalty"))
    done = CliRunner().invoke(app, ["check", "--settings", str(site / "ainode.toml")])
    assert isinstance(done.exception, RulesError)
    assert str(done.exception).startswith(
        f"{site}/rules.toml:7: [[rule]] 'venous abdomen' input.T1.Modalty: is no DICOM"
    )


def test_check_knows_the_destinations_of_the_settings(site: Path) -> None:
    (site / "rules.toml").write_text(RULES.replace('["fhir"]', '["fhir"]\ndestinations = ["ehr"]'))
    done = CliRunner().invoke(app, ["check", "--settings", str(site / "ainode.toml")])
    assert "no [[destination]] is called 'ehr'" in str(done.exception)
    with (site / "ainode.toml").open("a") as settings:
        settings.write("[[destination]]\nname = 'ehr'\nkind = 'fhir'\nurl = 'http://127.0.0.1:1/fhir'\n")
    assert CliRunner().invoke(app, ["check", "--settings", str(site / "ainode.toml")]).exit_code == 0


def test_check_knows_the_inputs_of_the_installed_models_and_what_is_wrong_with_a_package(site: Path) -> None:
    (site / "rules.toml").write_text(RULES.replace("input.T1", "input.T2"))
    done = CliRunner().invoke(app, ["check", "--settings", str(site / "ainode.toml")])
    assert "input.T2: model 'body' has no such input; allowed: T1" in str(done.exception)
    (site / "models" / "broken").mkdir(parents=True)
    (site / "models" / "broken" / "model.toml").write_text("name = 3\n")
    (site / "ainode.toml").write_text("")
    done = CliRunner().invoke(app, ["check", "--settings", str(site / "ainode.toml")])
    assert isinstance(done.exception, PackageError)
    assert "models/broken/model.toml" in str(done.exception)


def test_test_explains_a_real_study_series_by_series_without_patient_data(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(shared_data("ct-chest"), folder)
    (folder / "notes.txt").write_text("no DICOM")
    done = CliRunner().invoke(app, ["test", str(folder), "--settings", str(site / "ainode.toml")])
    assert done.exit_code == 0, done.exception
    lines = done.output.splitlines()
    assert '  Rule "venous abdomen" takes the study' in lines
    assert "    series 4, CT, 5 images, 90 sec ABD  3.0  B31f -> T1" in lines
    assert "    series 1, CT, 1 image, Topogram  1.0  T20s -> not taken" in lines
    assert "      not T1: SeriesDescription is 'Topogram  1.0  T20s', wanted: text that matches '(?i)90 sec'" in lines
    assert "Left out: notes.txt: not a DICOM file: no preamble and DICM prefix (PS3.10 7.1)" in lines
    assert max(map(len, lines)) <= 100
    header = dcmread(folder / "1000.dcm", stop_before_pixels=True)
    for value in (header.PatientName, header.PatientID, header.PatientAge, header.StudyDate):
        assert str(value) not in done.output.replace(str(header.StudyInstanceUID), "")


def test_a_study_folder_gives_series_in_an_order_that_does_not_depend_on_file_names(tmp_path: Path) -> None:
    source = shared_data("ct-chest")
    for index, path in enumerate(sorted(source.glob("*.dcm"), reverse=True)):
        (tmp_path / f"deep/{index % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / f"deep/{index % 2}/{index}")
    shutil.copy(source / "1000.dcm", tmp_path / "twice.dcm")
    (tmp_path / "cut.dcm").write_bytes((source / "1000.dcm").read_bytes()[:400])
    found, reference = read_study_folder(tmp_path), read_study_folder(source)
    (study,), (expected,) = found.studies, reference.studies
    assert [(one.series_uid, one.sop_uids) for one in study.series] == [
        (one.series_uid, one.sop_uids) for one in expected.series
    ]
    assert len(study.series) == 3
    for member in study.series:
        assert member.header.SOPInstanceUID == member.sop_uids[0]
        in_files = [dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in member.paths]
        assert in_files == list(member.sop_uids)
    reasons = {entry.path.name: entry.reason for entry in found.skipped}
    assert reasons["cut.dcm"] == "lacks a Study, Series or SOP Instance UID: a DICOMDIR, or cut short"
    assert reasons["twice.dcm"].startswith("the same instance as ")


def test_a_folder_without_dicom_is_refused_with_the_reason(site: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["test", str(tmp_path / "empty"), "--settings", str(site / "ainode.toml")])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).endswith("holds no DICOM instance (the folder is empty)")
    missing = CliRunner().invoke(app, ["test", str(tmp_path / "none"), "--settings", str(site / "ainode.toml")])
    assert str(missing.exception).endswith("none: is not a folder; give the folder that holds the files of a study")
