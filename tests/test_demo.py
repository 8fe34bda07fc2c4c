"""The demonstration, as `make demo ONCE=1` runs it, without the real head."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pydicom import dcmread

from peers.dicom_checkers import assert_valid_iod


def test_the_demonstration_ends_well_and_writes_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ainode", "demo", "--once", "--out", str(tmp_path)]
    environment = os.environ | {"AINODE_TEST_DATA": str(tmp_path / "nothing")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["metric"]: row for row in json.loads((tmp_path / "demo.json").read_text())["rows"]}
    assert all(row["holds"] is not False for row in rows.values())
    assert rows["phantom_instances"]["value"] == 240
    assert {f"phantom_{stage}_seconds" for stage in ("received", "complete", "ran", "delivered", "total")} <= set(rows)
    for kind in ("seg", "sr"):
        path = tmp_path / "demo" / "site" / "results" / "phantom" / f"{kind}.dcm"
        assert_valid_iod(path)
        assert str(dcmread(path).SOPInstanceUID) == rows[f"phantom_{kind}_sop_instance_uid"]["value"]
