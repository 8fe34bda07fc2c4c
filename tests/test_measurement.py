"""The format that every measurement is written and printed in."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ainode.measurement import Machine, Report, Row, commit_of

RATIO = Row.judged("orthanc_ratio_1", 2.75, unit="1", goal=">= 2.5", peer="Orthanc 1.10.1")
LOST = Row.judged("acknowledged_lost", 1, unit="1", goal="= 0")
REPORT = Report(
    name="ingest",
    rows=(RATIO, LOST, Row(metric="sr_uid", value="2.25.7", unit="")),
    measured_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    commit="abc",
    machine=Machine("a cpu", 2, 7.8, "an os", "3.11"),
)


def test_what_is_written_has_the_machine_the_date_the_commit_and_every_row(tmp_path: Path) -> None:
    REPORT.write(tmp_path / "bench" / "ingest.json")
    assert json.loads((tmp_path / "bench" / "ingest.json").read_text()) == {
        "name": "ingest",
        "rows": [
            {
                "metric": "orthanc_ratio_1",
                "value": 2.75,
                "unit": "1",
                "peer": "Orthanc 1.10.1",
                "goal": ">= 2.5",
                "holds": True,
            },
            {"metric": "acknowledged_lost", "value": 1, "unit": "1", "peer": None, "goal": "= 0", "holds": False},
            {"metric": "sr_uid", "value": "2.25.7", "unit": "", "peer": None, "goal": None, "holds": None},
        ],
        "measured_at": "2026-11-20T09:30:00+00:00",
        "commit": "abc",
        "machine": {"cpu": "a cpu", "cores": 2, "memory_gib": 7.8, "os": "an os", "python": "3.11"},
    }


def test_the_table_shows_the_same_rows() -> None:
    console = Console(file=StringIO(), width=200)
    console.print(REPORT.table())
    shown = console.file.getvalue() if isinstance(console.file, StringIO) else ""
    words = {tuple(line.replace("│", " ").split()) for line in shown.splitlines()}
    assert ("orthanc_ratio_1", "2.75", "1", "Orthanc", "1.10.1", ">=", "2.5", "yes") in words
    assert ("acknowledged_lost", "1", "1", "=", "0", "NO") in words
    assert ("sr_uid", "2.25.7") in words


def test_a_narrow_table_cuts_no_name_off_and_has_no_goals_where_there_are_none() -> None:
    name = "as_trained_efficientnet_b0_probability_difference_max"
    row = Row(metric=name, value=0.5, unit="1", peer="torch 2.13.0+cpu")
    console = Console(file=StringIO(), width=60)
    console.print(replace(REPORT, rows=(row,)).table())
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    first = "".join(line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│"))
    assert first == name
    assert "goal" not in shown


@pytest.mark.parametrize(
    ("value", "goal", "holds"),
    [(2, "<= 2", True), (2, "< 2", False), (2.5, ">= 2.5", True), (2, "> 2", False), (0, "= 0", True)],
)
def test_a_bound_counts_as_it_is_written(value: float, goal: str, holds: bool) -> None:
    assert Row.judged("metric", value, unit="1", goal=goal).holds is holds


def test_a_goal_that_is_no_bound_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'about 3' of metric"):
        Row.judged("metric", 3, unit="1", goal="about 3")


def test_a_report_holds_when_no_row_misses_its_goal() -> None:
    assert not REPORT.holds
    assert replace(REPORT, rows=(RATIO, REPORT.rows[2])).holds


def test_a_value_that_json_does_not_know_is_not_written(tmp_path: Path) -> None:
    report = replace(REPORT, rows=(Row(metric="dice", value=float("nan"), unit="1"),))
    with pytest.raises(ValueError, match="nan"):
        report.write(tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()


def test_the_machine_is_described_as_the_system_describes_it() -> None:
    machine = Machine.this()
    nproc = subprocess.run(["nproc"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
    kibibytes = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line).split()[1]
    assert machine.cores == int(nproc.stdout)
    assert machine.memory_gib == pytest.approx(int(kibibytes) / 2**20, abs=0.1)
    assert machine.cpu in Path("/proc/cpuinfo").read_text()
    assert machine.os in Path("/etc/os-release").read_text()


def test_a_commit_tells_uncommitted_changes_and_a_folder_outside_of_git(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == "unknown"
    (tmp_path / "file").write_text("one")
    for step in ("init -q", "add file", "-c user.name=a -c user.email=a@b commit -qm one"):
        subprocess.run(["git", "-C", str(tmp_path), *step.split()], check=True)
    clean = commit_of(tmp_path)
    (tmp_path / "file").write_text("two")
    assert len(clean) == 40
    assert commit_of(tmp_path) == f"{clean}-dirty"
