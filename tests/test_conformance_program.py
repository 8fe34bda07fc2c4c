"""The engine of `make conformance`: two kinds have no error, and a sample of the seeded defects is found."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ainode_conformance.__main__ import command_line
from ainode_conformance.checkers.allowance import Allowance
from ainode_conformance.checkers.allowed import ALLOWED
from ainode_conformance.checkers.checker import Checker, Problem
from ainode_conformance.checkers.table import checkers
from ainode_conformance.defects.seeding import seeded
from ainode_conformance.defects.table import DEFECTS
from ainode_conformance.kinds.kind import Made, make_all
from ainode_conformance.kinds.table import KINDS
from ainode_conformance.matrix import column
from ainode_conformance.violation import Severity
from peers.shared_data import ROOT

QUICK = ("dciodvfy", "dcentvfy", "dicom-validator", "ainode-check-sr", "references", "fhirclient")
KIND = "segmentation: findings"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    chosen = [kind for kind in KINDS if kind.name in (KIND, "classifier: all decisions")]
    return make_all(chosen, tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def quick() -> list[Checker]:
    return [one for one in checkers(ROOT / "build") if one.name in QUICK]


def test_two_kinds_have_no_error_and_each_checker_looked_at_both(made: list[Made], quick: list[Checker]) -> None:
    assert [one.missing() for one in quick] == [None] * len(QUICK)
    for one in quick:
        done = column(one, made)
        assert [problem for cell in done.cells.values() for problem in cell.errors] == []
        assert {cell.objects > 0 for cell in done.cells.values()} == {True}, one.name


def test_a_sample_of_the_defects_is_found_but_those_of_voxels_which_are_for_slower_checkers(
    made: list[Made], quick: list[Checker], tmp_path: Path
) -> None:
    sample = [one for one in DEFECTS if one.kind == KIND][::4]
    assert {one.rule.split(":")[0] for one in sample} > {"SEG", "SR", "SC", "PDF", "FHIR"}
    assert len(sample) >= 30
    found = {one.defect.rule: one.found_by for one in seeded(sample, made, quick, tmp_path / "defects")}
    fhir = {rule for rule in found if rule.startswith("FHIR")}  # most are for validators that npm brings
    assert len(fhir) >= 6
    assert any(found[rule] == ("fhirclient",) for rule in fhir)
    missed = {rule for rule in found if not found[rule]} - fhir
    assert missed <= {"SEG: voxels inverted", "SEG: half a voxel off", "SEG: labels exchanged", "SEG: another colour"}


class Grumbler:
    """A checker that has one warning for each object, and may not be there."""

    name = "grumbler"

    def missing(self) -> str | None:
        """Never."""
        return None

    def version(self) -> str:
        """The first."""
        return "1"

    def subjects(self, made: Made) -> Sequence[str]:
        """Everything."""
        return sorted(made.files)

    def check(self, made: Sequence[Made]) -> list[Problem]:
        """One warning each."""
        return [Problem(one.name, name, Severity.WARNING, "hm") for one in made for name in self.subjects(one)]


def test_a_warning_is_an_error_unless_it_is_allowed_and_what_is_allowed_is_counted(made: list[Made]) -> None:
    objects = sum(len(one.files) for one in made)
    assert column(Grumbler(), made).errors == objects
    allowed = Allowance("grumbler", "h.", "it always does", "PS3.3", subject="sr")
    done = column(Grumbler(), made, allowances=[allowed])
    assert (done.errors, done.allowed[allowed]) == (objects - 2, 2)


def test_every_kind_and_defect_has_its_own_name_and_every_allowance_a_reason() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert {one.kind for one in DEFECTS} <= set(names)
    assert len({one.rule for one in DEFECTS}) >= 30
    known = {one.name for one in checkers(Path("unused"))}
    for one in ALLOWED:
        assert one.checker in known
        assert len(one.reason) > 20
        assert one.clause


def test_the_program_writes_its_result_and_ends_with_1_when_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tmp_path / "conformance.json"
    options = ["--only", "dcentvfy", "--kind", "page alone", "--result", str(result)]
    done = CliRunner().invoke(command_line, options)
    assert done.exit_code == 0, done.output
    written = json.loads(result.read_text())
    assert (written["errors"], [row["objects"] for row in written["rows"]]) == (0, [1])
    monkeypatch.setenv("PATH", "")
    done = CliRunner().invoke(command_line, options)
    assert (done.exit_code, "missing: dcentvfy: install Debian's dicom3tools" in done.output) == (1, True)
    assert CliRunner().invoke(command_line, [*options, "--allow-missing"]).exit_code == 0


def test_the_page_lists_every_checker_and_every_allowance() -> None:
    page = (ROOT / "conformance" / "README.md").read_text(encoding="utf-8")
    for one in checkers(Path("unused")):
        assert f"| `{one.name}` |" in page
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert {(one.checker, one.reason, one.clause) for one in ALLOWED} <= set(rows)
